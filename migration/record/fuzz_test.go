package record

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzJudge: whatever a record's text is, it is judged without a panic, soon, and passes
// only with every fact that its ending demands.
//
// Its seeds are short, for the fuzzer tries to make shorter what it finds, in a time of
// which the length is the square. FuzzEdit has the long ones.
func FuzzJudge(f *testing.F) {
	for _, text := range []string{
		`{"Format":1}`, `{"Format":1,"Ends":"lost","Host":{}}`, `{"Format":1,"Legs":[{"Format":1}]}`, `{"Format":1,"Gathers":["Life"],"RAMBytes":1}`,
		`{"Format":1,"Scenario":"deprecated","Ends":"nowhere","Steps":[{"Name":"x"}],"Teardown":{"Exits":[{"Side":"source","State":"exit status 0","Clean":true}]}}`,
		`{"Format":1,"Measures":[{"What":"x","Value":null,"Unit":"","Min":1}],"Parameters":{"downtime-limit":1e9}}`,
		`{"Format":1,"Workload":{"Range":{"Start":1,"End":2},"Stride":0,"Runs":null,"Pages":1}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { requireHonest(t, text) })
}

// FuzzEdit changes a record of a real run, instead of its text: each byte of the edits picks
// a value of the record, and one to put in its place.
func FuzzEdit(f *testing.F) {
	all := saved(f)
	// The shortest records: an execution takes as long as its record.
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(len(all[a])-len(all[b]), strings.Compare(a, b)) })
	names = names[:min(len(names), fuzzedRecords)]
	for name, text := range all {
		all[name] = shortened(f, text)
	}
	for i := range names {
		f.Add(uint8(i), []byte{byte(i), 3, 200, 7})
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		var root any
		require.NoError(t, json.Unmarshal(all[names[int(which)%len(names)]], &root))
		for pair := range slices.Chunk(edits[:min(len(edits), 32)], 2) {
			replace(root, pair)
		}
		text, err := json.Marshal(root)
		require.NoError(t, err)
		requireHonest(t, text)
	})
}

// fuzzedRecords is how many of the records of runs are fuzzed.
const fuzzedRecords = 6

// shortened is a record without blanks, and without what its checks do not read.
func shortened(f *testing.F, text []byte) []byte {
	r, err := decode(text)
	require.NoError(f, err)
	for _, way := range append(r.Legs, r) {
		for _, side := range []*SideFacts{way.Source, way.Destination} {
			if side != nil {
				side.Console, side.CommandLine = "", ""
			}
		}
		way.Diagnosis, way.Accel = nil, ""
	}
	short, err := json.Marshal(r)
	require.NoError(f, err)
	return short
}

// replace puts another value in the place that the edit picks.
func replace(root any, edit []byte) {
	others := []any{
		nil, true, false, -1, 0, 1, 4096, 1e18, 1e300, "", "x", "running", "completed", "\x1b[2J", "9999-01-01T00:00:00Z",
		[]any{},
		map[string]any{},
		[]any{nil},
	}
	at, to := int(edit[0])*7, others[int(edit[len(edit)-1])%len(others)]
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if at--; at == 0 {
					v[k] = to
					return
				}
				walk(v[k])
			}
		case []any:
			for i := range v {
				if at--; at == 0 {
					v[i] = to
					return
				}
				walk(v[i])
			}
		}
	}
	walk(root)
}

func requireHonest(t *testing.T, text []byte) {
	began := time.Now()
	r, err := decode(text)
	if err != nil {
		require.Less(t, len(err.Error()), 2000)
		return
	}
	result := Judged(r)
	require.Less(t, time.Since(began), 30*time.Second)
	require.NotEmpty(t, result.Verdicts)
	require.NotEmpty(t, result.Outcome)
	if result.Outcome == Pass {
		require.NoError(t, result.Err())
		for _, way := range append(r.Legs, r) {
			facts := demanded(way.Program, way.Ends, way.Arch)
			for _, f := range append(facts, way.Gathers...) {
				require.True(t, way.has(f), "it passes without %s: %s", f, text)
			}
		}
		if r.Ends == OnDestination && !r.isLinux() {
			require.Equal(t, r.ram(), max(r.ram(), r.Workload.Range.Len()))
			require.GreaterOrEqual(t, r.Memory.Compared+r.Workload.Range.Len()+scratch(r), r.ram())
		}
	}
	again, err := json.Marshal(r)
	require.NoError(t, err)
	back, err := decode(again)
	require.NoError(t, err, "what was read can be saved")
	require.Equal(t, Judge(r), Judge(back), "it is judged the same again")
}

func scratch(r *Record) (sum uint64) {
	for _, l := range r.Memory.Left {
		sum += l.Len()
	}
	return sum
}
