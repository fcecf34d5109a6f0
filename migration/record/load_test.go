package record

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSavedRecordComesBackAndIsJudgedTheSame(t *testing.T) {
	for name, r := range map[string]*Record{"good": good(), "faulty": faulty(), "stayed": stayed(), "hot": hot()} {
		dir := t.TempDir()
		r.Source.Events[0].Data = json.RawMessage(`{"a":18446744073709551615,"status":"setup"}`)
		r.Host = &HostFacts{Slowdown: 1.5, CPUs: 2}
		r.Gathers = Expect(r.Ends, r.Arch, FactDevices)
		r.Legs = []*Record{good()}
		r.Memory = &MemoryFacts{Size: 1, LeftOut: []LeftOut{{"vga.vram", 16 << 20, "it is no RAM"}}}
		require.NoError(t, r.Save(dir))
		for _, path := range []string{dir, filepath.Join(dir, File)} {
			back, err := Load(path)
			require.NoError(t, err, name)
			require.Equal(t, Judge(r), Judge(back), name)
			require.Contains(t, strings.Join(strings.Fields(string(back.Source.Events[0].Data)), ""), "18446744073709551615")
			require.Equal(t, r.Memory.LeftOut, back.Memory.LeftOut)
		}
	}
}

// TestMeasureThatIsNoNumberIsSaved: JSON has no such number, and what can't be told is
// unknown, also when it is judged again.
func TestMeasureThatIsNoNumberIsSaved(t *testing.T) {
	for _, m := range []Measure{
		{"ratio", math.NaN(), "times", AtLeast(1)},
		{"ratio", 2, "times", AtLeast(math.NaN())},
		{"ratio", 2, "times", AtMost(math.NaN())},
		{"ratio", 2, "times", AtMost(math.Inf(1))}, // no bound
	} {
		dir, r := t.TempDir(), good()
		r.Measures = append(r.Measures, m)
		require.NoError(t, r.Save(dir))
		back, err := Load(dir)
		require.NoError(t, err)
		require.Equal(t, Unknown, Judged(back).Outcome)
		require.Contains(t, Judged(back).Reason, "ratio was not measured")
	}
}

func TestWhatIsNoRecordIsSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(dir, File)
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, file)
	require.NoError(t, os.WriteFile(file, []byte(`{"Format": 99}`), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "format 99")
}

// soon demands that something ends that takes a second or two; a machine that is busy is
// given sixty times as long.
func soon(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		require.FailNow(t, "it takes for ever")
	}
}

func TestOnlyARegularFileOfBoundedSizeIsRead(t *testing.T) {
	dir := t.TempDir()
	fifo, sparse, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "sparse"), filepath.Join(dir, "link")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	require.NoError(t, os.WriteFile(sparse, nil, 0o600))
	require.NoError(t, os.Truncate(sparse, 5<<30))
	require.NoError(t, os.Symlink("/dev/zero", link))
	run := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(run, 0o700))
	require.NoError(t, unix.Mkfifo(filepath.Join(run, File), 0o600))
	for path, why := range map[string]string{
		"/dev/zero": "no regular file", "/dev/full": "no regular file", fifo: "no regular file", link: "no regular file",
		run: "no regular file", sparse: "5368709120 bytes",
	} {
		var err error
		soon(t, func() { _, err = Load(path) })
		require.ErrorContains(t, err, why, path)
	}
}

// changed is the text of a good record, with something in place of something else.
func changed(t *testing.T, old, now string) []byte {
	text, err := json.Marshal(good())
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	return []byte(strings.Replace(string(text), old, now, 1))
}

// TestRecordThatHidesAFactIsRefused: each error names what is wrong and where.
func TestRecordThatHidesAFactIsRefused(t *testing.T) {
	for _, c := range []struct {
		what, old, now string
		err            []string
	}{
		{"a key twice", `"Ends":""`, `"Ends":"","Ends":""`, []string{"Ends: the key is there twice"}},
		{"a key in two cases", `"Ends":""`, `"Ends":"","ends":""`, []string{"ends: the key Ends is there as well"}},
		{"a key in a case of its own", `"Ends":""`, `"ends":""`, []string{"ends: unknown key: it is written Ends"}},
		{"a key that folds to one", `"Stand":{`, `"ſtand":{`, []string{`"ſtand": unknown key: it is written Stand`}},
		{"a key written with escapes, twice", `"Ends":""`, `"Ends":"","\u0045nds":""`, []string{"Ends: the key is there twice"}},
		{"an unknown key", `"Ends":""`, `"End":""`, []string{"End: unknown key"}},
		{"an unknown key with an escape", `"Ends":""`, `"\u001b[2J":""`, []string{`"\x1b[2J": unknown key`}},
		{"an unknown key inside", `"Changed":0`, `"Changes":0`, []string{"Stillness.Changes: unknown key"}},
		{"a key that is missing inside", `"Changed":0`, `"First":0`, []string{"Stillness: it has no Changed"}},
		{"a key twice in what QEMU replied", `"mbps":6042`, `"mbps":6042,"mbps":6042`, []string{"Migration.Source.ram.mbps: the key is there twice"}},
		{"a key in two cases in what QEMU replied", `"mbps":6042`, `"mbps":6042,"Mbps":6042`, []string{"Migration.Source.ram.Mbps: the key mbps is there as well"}},
		{"null for a number", `"Changed":0`, `"Changed":null`, []string{"Stillness.Changed: found null, expected a number"}},
		{"null for a time", `"LastOnSource":"2026-01-02T03:04:05.05Z"`, `"LastOnSource":null`, []string{"Standstill.LastOnSource: found null, expected a time"}},
		{"null for a reading", `"After":{"Address":1048576,"Value":8}`, `"After":null`, []string{"Life.After: found null, expected an object"}},
		{"null in a list", `"Exits":[{`, `"Exits":[null,{`, []string{"Teardown.Exits[0]: null"}},
		{"a string for a number", `"Changed":0`, `"Changed":"0"`, []string{"Stillness.Changed: found a string, expected a number"}},
		{"a number for a list", `"Paced":[`, `"Paced":0,"Gathers":[`, []string{"Paced: found a number, expected a list"}},
		{"an object for a list", `"Paced":[`, `"Paced":{},"Gathers":[`, []string{"Paced: found an object, expected a list"}},
		{"a number for an object", `"Stillness":{`, `"Stillness":7,"Exact":{`, []string{"Stillness: found a number, expected an object"}},
		{"a list for a string", `"Arch":"x86_64"`, `"Arch":[]`, []string{"Arch: found a list, expected a string"}},
		{"a number for true or false", `"Clean":true`, `"Clean":1`, []string{"Teardown.Exits[0].Clean: found a number, expected true or false"}},
		{"a string that is no time", `"Started":"2026`, `"Started":"MMXXVI`, []string{"Started: found", "expected a time"}},
		{"a number that is no whole one", `"Changed":0`, `"Changed":0.5`, []string{"Stillness.Changed", "0.5"}},
		{"a number that is too large", `"Changed":0`, `"Changed":1e30`, []string{"Stillness.Changed", "1e30"}},
		{"a byte that is none", `"Value":8`, `"Value":256`, []string{"Value", "256"}},
		{"an ending that is none", `"Ends":""`, `"Ends":"bogus"`, []string{`Ends: there is no ending "bogus"`}},
		{"a fact that is none", `"Ends":""`, `"Ends":"","Gathers":["Life","Lief"]`, []string{`Gathers[1]: there is no fact "Lief"`}},
		{"a leg that is null", `"Ends":""`, `"Ends":"","Legs":[null]`, []string{"Legs[0]: null"}},
		{"a leg without anything", `"Ends":""`, `"Ends":"","Legs":[{}]`, []string{"Legs[0]: it has no Format"}},
		{"a leg of another format", `"Ends":""`, `"Ends":"","Legs":[{"Format":2}]`, []string{"Legs[0].Format: it is 2"}},
		{"a leg that ends elsewhere", `"Ends":""`, `"Ends":"","Legs":[{"Format":1,"Ends":"nowhere"}]`, []string{`Legs[0].Ends: it is "nowhere"`}},
		{"a leg with legs", `"Ends":""`, `"Ends":"","Legs":[{"Format":1,"Legs":[{"Format":1}]}]`, []string{"Legs[0].Legs: a leg has no legs"}},
		{"more legs than a run has", `"Ends":""`, `"Ends":"","Legs":[{"Format":1}` + strings.Repeat(`,{"Format":1}`, maxLegs) + `]`, []string{"Legs[256]: there are more legs than the 256"}},
		{"no text", `"Ends":""`, "\"Ends\":\"\xff\"", []string{"it is not UTF-8"}},
		{"no JSON", `"Ends":""`, `"Ends":''`, []string{"line 1", "invalid character"}},
	} {
		_, err := decode(changed(t, c.old, c.now))
		require.Error(t, err, c.what)
		for _, word := range c.err {
			require.Contains(t, err.Error(), word, c.what)
		}
		require.NotContains(t, err.Error(), "\x1b", c.what)
	}
	for text, word := range map[string]string{
		"": "end of JSON input", "null": "format 0", "[]": "found a list", "7": "found a number", "{}": "format 0",
		`{"format": 1}`: "format: unknown key: it is written Format", "{\n\"Format\": 1,\n\"Ends\": 7}": "line 3: Ends",
		`{"Format": "1"}`: "Format: found a string", `{"Format": 1} {"Format": 1}`: "after top-level value",
	} {
		_, err := decode([]byte(text))
		require.ErrorContains(t, err, word, text)
	}
}

// TestRecordIsReadInTimeAndMemoryOfItsSize: whatever it is made of.
func TestRecordIsReadInTimeAndMemoryOfItsSize(t *testing.T) {
	const many = 1 << 19
	for what, c := range map[string]struct{ text, err string }{
		"legs in legs":        {`{"Format":1` + strings.Repeat(`,"Legs":[{"Format":1`, 4000) + strings.Repeat(`}]`, 4000) + `}`, "deep"},
		"lists in lists":      {`{"Format":1,"Migration":{"Source":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}}`, "deep"},
		"deeper than JSON":    {`{"Format":1,"Legs":` + strings.Repeat(`[`, many) + strings.Repeat(`]`, many) + `}`, "depth"},
		"many legs":           {`{"Format":1,"Legs":[` + strings.Repeat(`{"Format":1},`, many/4) + `{}]}`, "Legs["},
		"many nothings":       {`{"Format":1,"Diagnosis":[""` + strings.Repeat(`,""`, 4*many) + `]}`, "values"},
		"many events":         {`{"Format":1,"Source":{"Events":[{}` + strings.Repeat(`,{}`, many) + `]}}`, "Source.Events[0]"},
		"many keys":           {`{"Format":1,"Parameters":{` + keys(1<<15) + `}}`, ""},
		"a long string":       {`{"Format":1,"Error":"` + strings.Repeat("x", 4<<20) + `"}`, ""},
		"a string of escapes": {`{"Format":1,"Error":"` + strings.Repeat(`\u0000`, many) + `"}`, ""},
		"a key of escapes":    {`{"Format":1,"` + strings.Repeat(`\u0000`, many) + `":1}`, "unknown key"},
		"a long number":       {`{"Format":1,"Seconds":` + strings.Repeat("1", many) + `}`, "Seconds"},
		"blanks":              {strings.Repeat(" ", 4<<20) + `{"Format":1}`, ""},
		"lines":               {strings.Repeat("\n", 4<<20) + `{"Format":1,"Ends":7}`, "line 4194305: Ends"},
	} {
		var err error
		outcome := Unknown
		soon(t, func() {
			var r *Record
			if r, err = decode([]byte(c.text)); err == nil {
				outcome = Judged(r).Outcome
			}
		})
		require.NotEqual(t, Pass, outcome, what)
		if c.err == "" {
			require.NoError(t, err, what)
			continue
		}
		require.ErrorContains(t, err, c.err, what)
		require.Less(t, len(err.Error()), 1000, what)
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"key-%d":%d`, i, i)
	}
	return b.String()
}

// TestListsThatNoRunHasAreJudgedInTime: a record's author is not bound to what is listed.
func TestListsThatNoRunHasAreJudgedInTime(t *testing.T) {
	const many = 50_000
	for what, doctor := range map[string]func(r *Record){
		"runs":   func(r *Record) { r.Workload.Runs = make([]Run, many) },
		"events": func(r *Record) { r.Source.Events = append(r.Source.Events, make([]EventFacts, many)...) },
		"statuses": func(r *Record) {
			for range many {
				r.Source.Events = append(r.Source.Events, status(r.Started, "active"))
			}
		},
		"steps": func(r *Record) { r.Steps = make([]StepFacts, many) },
		"named steps": func(r *Record) {
			for i := range many {
				r.Steps = append(r.Steps, StepFacts{Name: fmt.Sprintf("set parameter-%d to 1", i), Legs: i})
			}
		},
		"legs": func(r *Record) {
			for range 2000 {
				r.Legs = append(r.Legs, &Record{})
			}
		},
		"measures": func(r *Record) { r.Measures = make([]Measure, many) },
		"exits":    func(r *Record) { r.Teardown.Exits = make([]ExitFacts, many) },
		"left":     func(r *Record) { r.Teardown.Left = make([]string, many) },
		"left out": func(r *Record) { r.Memory.LeftOut = make([]LeftOut, many) },
		"stderr":   func(r *Record) { r.Source.Stderr = strings.Repeat("x\n", many) },
	} {
		r := good()
		doctor(r)
		var verdicts []Verdict
		soon(t, func() { verdicts = Judge(r) })
		for _, v := range verdicts {
			require.Less(t, len(v.Witness), longestWitness+100, what)
		}
	}
}
