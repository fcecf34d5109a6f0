package record

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// saved are records of real runs: QEMU 5.2 to 11.1, two targets, each ending.
func saved(t testing.TB) map[string][]byte {
	paths, err := filepath.Glob("testdata/records/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = text
	}
	return all
}

func TestSavedRunsPass(t *testing.T) {
	for name, text := range saved(t) {
		r, err := decode(text)
		require.NoError(t, err, name)
		require.NoError(t, Judged(r).Err(), name)
	}
}

// editedItems is how many of a list are edited one by one.
const editedItems = 2

// edit replaces each value of JSON by each of some others, one at a time, and takes it away.
func edit(root any, with []any, visit func(path, how string)) {
	change := func(path string, old any, set func(any)) {
		was, _ := json.Marshal(old)
		for _, now := range with {
			text, _ := json.Marshal(now)
			if string(text) == string(was) {
				continue
			}
			set(now)
			visit(path, string(text))
		}
		set(old)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, old := range v {
				path := path + "." + k
				list, _ := old.([]any)
				for i := range list {
					v[k] = slices.Delete(slices.Clone(list), i, i+1)
					visit(path+"[]", "removed")
				}
				change(path, old, func(now any) { v[k] = now })
				delete(v, k)
				visit(path, "removed")
				v[k] = old
				walk(path, old)
			}
		case []any:
			for i := range min(len(v), editedItems) {
				old := v[i]
				change(path+"[]", old, func(now any) { v[i] = now })
				walk(path+"[]", old)
			}
		}
	}
	walk("", root)
}

// tells are the parts of a record that a judge can't hold against anything else: they
// describe the run, or are what was seen and may well have been seen. What stands behind
// the blank says how such a part may be edited, where not as one likes.
var tells = []string{
	// What the run was, and how long it took.
	`Accel`, `Scenario`, `Started`, `Seconds`, `Steps\[\](\.Name|\.Phase|\.Seconds)?`, `Ends removed`, `KnownBug`,
	`(Source|Destination)\.(Binary|Version|Package|CommandLine|Console)`, `Destination\.(Began|Stopped)`, `Source\.Stopped`,
	`Memory\.Seconds`, `Exact\.Seconds`, `Stillness\.Seconds`, `(Life|EarlierLives\[\])\.(Seconds|Heartbeats)`,
	`Waits`,
	// What was seen, as it might have been: a byte that counts, a register's name, a sentence.
	`(Life|EarlierLives\[\])\.(Before|After)\.Value`, `EarlierLives\[\]\.Side`, `EarlierLives(\[\])?`, `Workload\.Runs\[\]\.Value`,
	`Devices\[\](\.Register)?`, `Failure\.Desc`, `Fault\.(What|Desc)`, `Teardown\.Exits\[\]\.Reason`,
	`Standstill\.LongestSeconds`, `Registers\.Compared`,
	// What the scenario measured, and what it holds that against.
	`Measures\[\](\.(What|Value|Unit|Min|Max))?`, `Paced(\[\](\.(Bytes|Limit|Seconds))?)?`,
	`Link\.Connections\[\](\.(Forward|Back|First))?`,
	// What QEMU reports and nobody reads, or that leaves room.
	`Migration\.Source\.ram\.(postcopy-requests|skipped|dirty-sync-missed-zero-copy)`,
	`Migration\.Source\.ram\.(duplicate|mbps|pages-per-second|multifd-bytes|precopy-bytes|downtime-bytes)`,
	`Migration\.Source\.xbzrle-cache\.(cache-miss-rate|encoding-rate|overflow)`,
	// Events that are not the migration's, or of which QEMU has more in some versions.
	`(Source|Destination)\.Events\[\](\.(Name|Data\.pass))?`,
}

// ofStayed are those beside that only a guest's record tells which has moved.
var ofStayed = []string{
	`Source\.Began`, `(Source|Destination)\.(Stderr|SaidBefore)`, `MemoryMiB`, `Migration(\..*)?`, `Destination\.Events`,
}

// TestEditedRecordDoesNotPass: whatever is taken out of a run's record, or replaced, it
// passes no more, unless nothing could tell that it had been there.
func TestEditedRecordDoesNotPass(t *testing.T) {
	values := []any{nil, -1, 0, 1e18, "x", "9999-01-01T00:00:00Z", []any{}}
	for _, name := range []string{"10.0-precopy-unix-plain", "10.0-bad_dest", "5.2-multifd-tcp-uri-plain-none", "11.1-exact-ram-postcopy", "10.0-fault-cut-active"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var root any
			require.NoError(t, json.Unmarshal(saved(t)[name], &root))
			allowed := tells
			if root.(map[string]any)["Ends"] == string(OnSource) {
				allowed = append(slices.Clone(tells), ofStayed...)
			}
			told := regexp.MustCompile(`^\.(` + strings.Join(allowed, "|") + `)( |$)`)
			edits := 0
			edit(root, values, func(path, how string) {
				edits++
				text, err := json.Marshal(root)
				require.NoError(t, err)
				r, err := decode(text)
				if err != nil || told.MatchString(path) || told.MatchString(path+" "+how) {
					return
				}
				require.NotContains(t, []Outcome{Pass, Skip}, Judged(r).Outcome, "%s became %s", path, how)
			})
			t.Logf("%d edits", edits)
		})
	}
}
