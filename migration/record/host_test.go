package record

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// overLimitBy is a record whose guest is paused for longer than its limit allows.
func overLimitBy(d time.Duration) *Record {
	return linger(good(), 300*time.Millisecond-41*time.Millisecond+d)
}

func TestBusyHostIsNotHeldAgainstQEMU(t *testing.T) {
	for _, c := range []struct {
		what    string
		host    *HostFacts
		over    time.Duration // the limit of 300 ms, and 150 beyond it are allowed
		outcome Outcome
		witness string
	}{
		{"nobody measured it, within", nil, 140 * time.Millisecond, Pass, ""},
		{"nobody measured it", nil, 180 * time.Millisecond, Fail, "downtime of 480 ms"},
		{"as fast as expected", &HostFacts{Slowdown: 1, CPUs: 2, LoadBefore: 1, LoadAfter: 4}, 180 * time.Millisecond, Fail, "downtime of 480 ms"},
		{"nearly as fast", &HostFacts{Slowdown: 1.2, CPUs: 2}, 180 * time.Millisecond, Fail, "downtime of 480 ms"},
		{"faster", &HostFacts{Slowdown: 0.5, CPUs: 2}, 140 * time.Millisecond, Pass, ""},
		{"twice as slow, within", &HostFacts{Slowdown: 2, CPUs: 2}, 290 * time.Millisecond, Pass, ""},
		{"twice as slow, beyond", &HostFacts{Slowdown: 2, CPUs: 2}, 330 * time.Millisecond, Unknown, "2.0 times as slow as expected"},
		{"a load of 14", &HostFacts{Slowdown: 1, CPUs: 2, LoadBefore: 14.2}, 180 * time.Millisecond, Unknown, "load was 14.2 on 2 CPUs"},
		{"a load of 14 at last", &HostFacts{CPUs: 2, LoadAfter: 14.2}, 180 * time.Millisecond, Unknown, "load was 14.2 on 2 CPUs"},
		{"a load of 14 on many", &HostFacts{CPUs: 64, LoadAfter: 14.2}, 180 * time.Millisecond, Fail, "480 ms"},
		{"we were stopped", &HostFacts{Slowdown: 1, StoppedSeconds: 16}, 180 * time.Millisecond, Unknown, "drover did not run for 16.0 s"},
		{"we were stopped, and nothing came of it", &HostFacts{Slowdown: 1, StoppedSeconds: 16}, 140 * time.Millisecond, Pass, ""},
		{"slower than any host", &HostFacts{Slowdown: 1e9}, 180 * time.Millisecond, Unknown, "Slowdown of 1e+09"},
		{"slower than any host loosens nothing", &HostFacts{Slowdown: 1e9}, 140 * time.Millisecond, Pass, ""},
		{"less than nothing", &HostFacts{Slowdown: -1}, 180 * time.Millisecond, Unknown, "Slowdown of -1"},
		{"no number", &HostFacts{LoadAfter: math.NaN()}, 180 * time.Millisecond, Unknown, "LoadAfter of NaN"},
	} {
		r := overLimitBy(c.over)
		r.Host = c.host
		outcome, witness := judgeDowntime(r)
		require.Equal(t, c.outcome, outcome, "%s: %s", c.what, witness)
		require.Contains(t, witness, c.witness, c.what)
	}
}

// TestBusyHostExcusesNoLoss: what a clock has no part in is judged as ever.
func TestBusyHostExcusesNoLoss(t *testing.T) {
	for _, d := range allDoctored() {
		timed := map[string]bool{"reported": true, "downtime": true, "quickest move": true, "fault": true, "bandwidth": true}
		slow := d.what == "it does not answer" || strings.HasSuffix(d.what, " stand still") // a Linux guest's worker
		if timed[d.check] || slow {
			continue
		}
		r := d.record()
		r.Host = &HostFacts{Slowdown: 40, StoppedSeconds: 100, LoadBefore: 100, LoadAfter: 100, CPUs: 1}
		i := slices.IndexFunc(Judge(r), func(v Verdict) bool { return v.Check == d.check })
		require.Equal(t, d.outcome, Judge(r)[i].Outcome, "%s: %s", d.check, d.what)
	}
}

func TestLegWithoutAHostHasTheRuns(t *testing.T) {
	r := good()
	r.Legs, r.Host = []*Record{overLimitBy(290 * time.Millisecond)}, &HostFacts{Slowdown: 2}
	require.NoError(t, Judged(r).Err())
	r.Host = nil
	require.ErrorContains(t, Judged(r).Err(), "leg 1: downtime")
}

func TestTimesAndRatesThatWereMeasuredStretch(t *testing.T) {
	for _, c := range []struct {
		measure  Measure
		slowdown float64
		outcome  Outcome
	}{
		{Measure{"setup", 900, "ms", AtMost(500)}, 1, Fail},
		{Measure{"setup", 900, "ms", AtMost(500)}, 2, Pass},
		{Measure{"setup", 1100, "ms", AtMost(500)}, 2, Unknown},
		{Measure{"setup", 900, "ms", AtLeast(1000)}, 2, Unknown},
		{Measure{"throughput", 60, "bytes a second", AtLeast(100)}, 1, Fail},
		{Measure{"throughput", 60, "bytes a second", AtLeast(100)}, 2, Pass},
		{Measure{"throughput", 200, "bytes a second", AtMost(100)}, 2, Unknown},
		{Measure{"speed under a throttle", 0.5, "times", AtMost(0.2)}, 2, Unknown},
		{Measure{"pages", 900, "pages", AtMost(500)}, 2, Fail},
		{Measure{"pages that a guest waits for", 0, "pages", Bounds{Min: new(1.0), Timed: true}}, 1, Fail},
		{Measure{"pages that a guest waits for", 0, "pages", Bounds{Min: new(1.0), Timed: true}}, 2, Unknown},
	} {
		r := good()
		r.Measures = append(r.Measures, c.measure)
		r.Host = &HostFacts{Slowdown: c.slowdown}
		outcome, witness := judgeMeasures(r)
		require.Equal(t, c.outcome, outcome, witness)
	}
}

// TestToleranceSaysWhatItIsFor: each is in the table, with its reason and what was seen.
func TestToleranceSaysWhatItIsFor(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "tolerances.go", nil, 0)
	require.NoError(t, err)
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, is := n.(*ast.CompositeLit); is {
			if name, is := literal.Type.(*ast.Ident); is && name.Name == "Tolerance" {
				declared++
			}
		}
		return true
	})
	require.Len(t, Tolerances(), declared)
	names := map[string]bool{}
	for _, tolerance := range Tolerances() {
		require.False(t, names[tolerance.Name], tolerance.Name)
		names[tolerance.Name] = true
		require.Positive(t, tolerance.Value, tolerance.Name)
		for _, text := range []string{tolerance.Name, tolerance.Unit, tolerance.Why, tolerance.Seen} {
			require.NotEmpty(t, strings.TrimSpace(text), tolerance.Name)
		}
		if tolerance.Load {
			require.NotEqual(t, "times", tolerance.Unit, "a share grows by itself: %s", tolerance.Name)
		}
	}
}

// TestWhatABusyHostCutShortIsUnknown: a wait that ended before it had its time tells nothing.
func TestWhatABusyHostCutShortIsUnknown(t *testing.T) {
	failed := func(timed bool) func(r *Record) {
		return func(r *Record) {
			r.Error = "line 7: await passes 2: timed out after 2m0s"
			r.Steps = append(r.Steps, StepFacts{Name: "await passes 2", Error: "timed out after 2m0s", Timed: timed})
		}
	}
	early := func(r *Record) {
		failed(true)(r)
		r.Source.Events, r.Stand, r.Migration = r.Source.Events[:1], nil, nil
	}
	unclean := func(r *Record) { r.Teardown.Exits[0].Clean = false }
	late := func(r *Record) { unclean(r); r.Teardown.Exits[0].Late = true }
	left := func(r *Record) { r.Teardown.Left = []string{"process 7"} }
	threads := func(r *Record) {
		r.Measures = append(r.Measures, Measure{"threads of the destination", 1, "threads", AtMost(0)})
	}
	for _, c := range []struct {
		what, check string
		host        *HostFacts
		change      func(r *Record)
		outcome     Outcome
	}{
		{"a step that was cut short", "steps", &HostFacts{CutShort: 1}, failed(true), Unknown},
		{"a rate on a slow host", "steps", &HostFacts{Slowdown: 6}, failed(true), Unknown},
		{"a rate on a quiet host", "steps", &HostFacts{Slowdown: 1}, failed(true), Fail},
		{"a rate on a host of which nothing is known", "steps", nil, failed(true), Fail},
		{"a step that had its time", "steps", &HostFacts{Slowdown: 6}, failed(false), Fail},
		{"what was to come after it", "events", &HostFacts{Slowdown: 6}, early, Unknown},
		{"what was to come after it on a quiet host", "events", &HostFacts{Slowdown: 1}, early, Fail},
		{"an exit", "clean end", &HostFacts{CutShort: 1}, unclean, Unknown},
		{"an exit that had its time", "clean end", &HostFacts{Slowdown: 6}, unclean, Fail},
		{"an exit that came late on a slow host", "clean end", &HostFacts{Slowdown: 1.5}, late, Unknown},
		{"an exit that came late on a quiet host", "clean end", &HostFacts{Slowdown: 1}, late, Fail},
		{"a process", "clean end", &HostFacts{CutShort: 1}, left, Unknown},
		{"a process that had its time", "clean end", &HostFacts{Slowdown: 6}, left, Fail},
		{"a thread", "measures", &HostFacts{CutShort: 1}, threads, Unknown},
		{"a thread that had its time", "measures", &HostFacts{Slowdown: 6}, threads, Fail},
	} {
		r := good()
		c.change(r)
		r.Host = c.host
		verdicts := Judge(r)
		v := verdicts[slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == c.check })]
		require.Equal(t, c.outcome, v.Outcome, "%s: %s", c.what, v.Witness)
		if c.outcome == Unknown {
			require.Contains(t, v.Witness, "the host was too busy", c.what)
		}
	}
}

// TestOnlyWhatAHostWasTooBusyForMayBeRunAgain: neither a failure nor what is unknown on a quiet
// host is.
func TestOnlyWhatAHostWasTooBusyForMayBeRunAgain(t *testing.T) {
	busy, quiet := &HostFacts{Slowdown: slowFrom}, &HostFacts{Slowdown: 1}
	for _, c := range []struct {
		outcome Outcome
		host    *HostFacts
		again   bool
	}{{Unknown, busy, true}, {Unknown, quiet, false}, {Unknown, nil, false}, {Fail, busy, false}, {Pass, busy, false}} {
		r := good()
		r.Host = c.host
		require.Equal(t, c.again, (&Result{Outcome: c.outcome, Record: r}).TooBusy(), c)
	}
}
