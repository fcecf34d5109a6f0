package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

var (
	willComplete   = preflight.Prediction{Outcome: preflight.Completes}
	willRefuse     = preflight.Prediction{Outcome: preflight.Refused, Sentence: "the source sends vga, and the destination's machine has no such device", Subjects: []string{"vga"}}
	mayFail        = preflight.Prediction{Outcome: preflight.MayFail, Sentence: "virtio takes other bytes", Subjects: []string{"virtio-net"}}
	willCrash      = preflight.Prediction{Outcome: preflight.Crashes, Sentence: "the source's QEMU dies when it sends a running guest: physmem.c:864: failed.", Subjects: []string{"physmem.c:864: failed."}, Dies: true}
	mayCrash       = preflight.Prediction{Outcome: preflight.MayFail, Sentence: "the source's QEMU dies when it sends a running guest (and 1 more)", Dies: true}
	unknownOutcome = preflight.Prediction{Outcome: preflight.Unknown}
)

// refused is a run whose destination refused, and whose guest then ran on.
func refused(says string, life *record.LifeFacts) *record.Result {
	return &record.Result{
		Scenario: "version/7.2-11.1/precopy/unix/plain", Arch: "x86_64", Outcome: record.Fail,
		Reason: "steps: await switchover: the source's migration status is failed; last on its monitor: much",
		Record: &record.Record{Error: "await switchover: …", Life: life, Destination: &record.SideFacts{Stderr: says}},
	}
}

// crashed is a run whose source ended.
func crashed(how string) *record.Result {
	return &record.Result{
		Outcome: record.Fail, Reason: "steps: await pass 1: exited: " + how + "; last on its monitor: much",
		Record: &record.Record{Error: "await pass 1: …", Destination: &record.SideFacts{}},
	}
}

func runsOn() *record.LifeFacts {
	return &record.LifeFacts{Side: "source", Running: true, Before: record.Reading{Value: 1}, After: record.Reading{Value: 2}, Heartbeats: 3}
}

const unknownVGA = "qemu-system-x86_64: warning: old machine\nqemu-system-x86_64: Unknown section or instance 'vga' 0\n"

func TestRunIsAssessedBesideItsPrediction(t *testing.T) {
	paused := runsOn()
	paused.After = paused.Before
	linux := func(beat uint64) *record.LifeFacts {
		return &record.LifeFacts{Side: "source", Running: true, Heartbeats: 1, Beats: &record.BeatFacts{Before: 7, After: beat}}
	}
	elsewhere := runsOn()
	elsewhere.Side = "destination"
	for _, c := range []struct {
		name        string
		prediction  preflight.Prediction
		result      *record.Result
		ending      report.Ending
		contradicts bool
		reason      string
	}{
		{"passed as predicted", willComplete, passed(), report.Passed, false, ""},
		{"passed and should not have", willRefuse, passed(), report.Passed, true, ""},
		{"passed where it could fail", mayFail, passed(), report.Passed, false, ""},
		{"refused as predicted", willRefuse, refused(unknownVGA, runsOn()), report.Documented, false, "the destination says: Unknown section or instance 'vga' 0"},
		{"refused by a distribution's binary", willRefuse, refused("qemu-kvm: Unknown section or instance 'vga' 0\n", runsOn()), report.Documented, false, "the destination says: Unknown section or instance 'vga' 0"},
		{"refused, and nothing was predicted", willComplete, refused(unknownVGA, runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed; the destination says: Unknown section or instance 'vga' 0"},
		{"refused, and nothing was known", unknownOutcome, refused(unknownVGA, runsOn()), report.Failed, false, ""},
		{"refused for something else", willRefuse, refused("qemu-system-x86_64: no room\n", runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed; the destination says: no room"},
		{"refused where it could be", mayFail, refused("Failed to load virtio-net\n", runsOn()), report.Documented, false, ""},
		{"refused, and the guest is paused", willRefuse, refused(unknownVGA, paused), report.Failed, true, ""},
		{"refused, and Linux runs on", willRefuse, refused(unknownVGA, linux(8)), report.Documented, false, ""},
		{"refused, and Linux is silent", willRefuse, refused(unknownVGA, linux(7)), report.Failed, true, ""},
		{"refused, and nobody looked", willRefuse, refused(unknownVGA, nil), report.Failed, true, ""},
		{"refused, and it runs elsewhere", willRefuse, refused(unknownVGA, elsewhere), report.Failed, true, ""},
		{"no message", willRefuse, refused("", runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed"},
		{"crashed as predicted", willCrash, crashed("signal: aborted: qemu-system-x86_64: physmem.c:864: failed."), report.Failed, false, "steps: await pass 1: exited: signal: aborted: qemu-system-x86_64: physmem.c:864: failed."},
		{"crashed where it could", mayCrash, crashed("signal: segmentation fault"), report.Failed, false, ""},
		{"refused where it could crash", mayCrash, refused("no room", runsOn()), report.Documented, false, ""},
		{"crashed otherwise", willCrash, crashed("signal: segmentation fault"), report.Failed, true, ""},
		{"crashed, and nothing was predicted", willComplete, crashed("signal: aborted: qemu-system-x86_64: physmem.c:864: failed."), report.Failed, true, ""},
		{"refused and should have crashed", willCrash, refused(unknownVGA, runsOn()), report.Failed, true, ""},
		{"passed and should have crashed", willCrash, passed(), report.Passed, true, ""},
		{"skipped", willComplete, &record.Result{Outcome: record.Skip, Reason: "no userfaultfd"}, report.Skipped, false, "no userfaultfd"},
		{"unknown", willComplete, &record.Result{Outcome: record.Unknown, Reason: "interrupted"}, report.Undecided, false, "interrupted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := report.Assess(c.prediction, "precopy/unix/plain", c.result)
			require.Equal(t, c.ending, run.Ending)
			require.Equal(t, c.contradicts, run.Contradicts)
			if c.reason != "" {
				require.Equal(t, c.reason, run.Reason)
			}
		})
	}
}

// matrix is one of two QEMUs: one pair refuses, as predicted or not.
func matrix(refusing preflight.Prediction) *report.Matrix {
	assess := func(p preflight.Prediction, r *record.Result) []report.Run {
		return []report.Run{report.Assess(p, "precopy/unix/plain", r), report.Assess(p, "postcopy/plain", &record.Result{Outcome: record.Skip, Reason: "no userfaultfd"})}
	}
	return &report.Matrix{
		Arch: "x86_64", QEMUs: []report.QEMU{{Name: "7.2"}, {Name: "11.1"}}, Scenarios: []string{"precopy/unix/plain", "postcopy/plain"}, Seconds: 12.34,
		Pairs: []report.Pair{
			{Source: "7.2", Destination: "7.2", Machine: "pc-i440fx-7.2", Prediction: willComplete, Runs: assess(willComplete, passed())},
			{Source: "7.2", Destination: "11.1", Machine: "pc-i440fx-7.2", Prediction: refusing, Runs: assess(refusing, refused(unknownVGA, runsOn()))},
			{Source: "11.1", Destination: "7.2", Machine: "pc-i440fx-7.2", Prediction: willComplete, Runs: assess(willComplete, passed())},
			{Source: "11.1", Destination: "11.1", Machine: "pc-i440fx-11.1", Prediction: willComplete, Runs: assess(willComplete, passed())},
		},
	}
}

// TestScenarioWithDevicesOfItsOwnHasAPredictionOfItsOwn, beside that of the pair.
func TestScenarioWithDevicesOfItsOwnHasAPredictionOfItsOwn(t *testing.T) {
	m := matrix(willComplete)
	run := &m.Pairs[1].Runs[0]
	*run = report.Assess(mayFail, run.Scenario, refused("Failed to load virtio-net\n", runsOn()))
	run.Prediction = &mayFail
	require.Equal(t, mayFail, m.Pairs[1].Predicted(*run))
	require.Equal(t, willComplete, m.Pairs[1].Predicted(m.Pairs[1].Runs[1]))
	require.True(t, m.OK())
	require.Empty(t, m.Findings())
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "1 as documented, 1 skip (may fail, completes)")
	require.Contains(t, b.String(), "fail as documented: "+mayFail.Sentence)
	run.Contradicts = true
	require.Contains(t, m.Findings()[0], `predicted "may fail: virtio takes other bytes"`)
}

func TestMatrixOfWhatWasPredictedIsOK(t *testing.T) {
	m := matrix(willRefuse)
	require.True(t, m.OK())
	require.Empty(t, m.Findings())
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Equal(t, `from \ to  7.2                         11.1
7.2        1 pass, 1 skip (completes)  1 as documented, 1 skip (refused)
           pc-i440fx-7.2               pc-i440fx-7.2
11.1       1 pass, 1 skip (completes)  1 pass, 1 skip (completes)
           pc-i440fx-7.2               pc-i440fx-11.1
Each cell: what came of precopy/unix/plain, postcopy/plain; in parentheses what was predicted; below, the machine type.
skip: no userfaultfd
    7.2 -> 7.2 postcopy/plain
    7.2 -> 11.1 postcopy/plain
    11.1 -> 7.2 postcopy/plain
    11.1 -> 11.1 postcopy/plain
fail as documented: the source sends vga, and the destination's machine has no such device, and the guest runs on at the source; the destination says: Unknown section or instance 'vga' 0
    7.2 -> 11.1 precopy/unix/plain
4 pairs, 8 runs: 3 pass, 1 fail as documented, 4 skip in 12.3 s; no prediction contradicted
`, b.String())
}

func TestContradictionIsAFinding(t *testing.T) {
	m := matrix(willComplete)
	require.False(t, m.OK())
	require.Equal(t, []string{
		"7.2 -> 11.1 (pc-i440fx-7.2), precopy/unix/plain: predicted \"completes\", but it failed, and the guest runs on at the source: steps: await switchover: the source's migration status is failed; the destination says: Unknown section or instance 'vga' 0",
	}, m.Findings())
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "\nfinding: 7.2 -> 11.1 ")
	require.Contains(t, b.String(), "predictions contradicted: 1")
	require.Contains(t, b.String(), "1 FAIL, 1 skip (completes)")
}

func TestFindingSaysWhereTheGuestIs(t *testing.T) {
	happened := func(p preflight.Prediction, r *record.Result) string {
		m := &report.Matrix{Pairs: []report.Pair{{Source: "a", Destination: "b", Prediction: p, Runs: []report.Run{report.Assess(p, "s", r)}}}}
		return strings.Join(m.Findings(), "\n")
	}
	require.Contains(t, happened(willRefuse, passed()), ", but it passed")
	require.Contains(t, happened(willRefuse, refused(unknownVGA, nil)), ", but it failed so, and the guest was not seen to run on at the source: ")
	moved := &record.Result{Outcome: record.Fail, Reason: "memory: differs", Record: &record.Record{}}
	require.Contains(t, happened(willRefuse, moved), ", but it moved, and a check failed: memory: differs")
	require.Empty(t, happened(willComplete, moved), "it completed, as predicted: that a check failed is another matter")
	require.Equal(t, report.Failed, report.Assess(willComplete, "s", moved).Ending)
}

// tried is a matrix of two pairs, the first of which passed; the other's runs came to
// the endings given, and where one is unknown, it never began.
func tried(others ...report.Run) *report.Matrix {
	return &report.Matrix{QEMUs: []report.QEMU{{Name: "a"}, {Name: "b"}}, Pairs: []report.Pair{
		{Source: "a", Destination: "a", Prediction: willComplete, Runs: []report.Run{{Scenario: "s", Ending: report.Passed}}},
		{Source: "a", Destination: "b", Prediction: willComplete, Runs: others},
	}}
}

func TestPairsThatCouldNotBeTriedAreNamedAndCounted(t *testing.T) {
	skip := report.Run{Scenario: "s", Ending: report.Skipped, Reason: "no userfaultfd"}
	neverBegan := report.Run{Scenario: "s", Ending: report.Undecided, Reason: "QEMU does not start"}
	unknownCheck := report.Run{Scenario: "s", Ending: report.Undecided, Reason: "a check broke", Result: &record.Result{}}
	pass := report.Run{Scenario: "s", Ending: report.Passed}
	for _, c := range []struct {
		name           string
		runs           []report.Run
		untried        int
		ok, incomplete bool
		predictions    string
	}{
		{"all skipped", []report.Run{skip, skip}, 1, true, true, "no prediction contradicted in the 1 that could be tried"},
		{"none ran", nil, 1, true, true, "no prediction contradicted in the 1 that could be tried"},
		{"never began", []report.Run{neverBegan}, 1, true, true, "no prediction contradicted in the 1 that could be tried"},
		{"one of them never began", []report.Run{pass, neverBegan}, 0, true, true, "no prediction contradicted"},
		{"one of them skipped", []report.Run{pass, skip}, 0, true, false, "no prediction contradicted"},
		{"a check that broke", []report.Run{unknownCheck}, 0, false, false, "no prediction contradicted"},
		{"failed", []report.Run{{Scenario: "s", Ending: report.Failed}}, 0, false, false, "no prediction contradicted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := tried(c.runs...)
			require.Len(t, m.Untried(), c.untried)
			require.Equal(t, c.ok, m.OK())
			require.Equal(t, c.incomplete, m.Incomplete())
			var b strings.Builder
			report.MatrixText(&b, m)
			require.Contains(t, b.String(), " in 0.0 s; "+c.predictions+"\n")
			const named = "\n1 of 2 pairs could not be tried:\n    a -> b\n"
			require.Equal(t, c.untried > 0, strings.Contains(b.String(), named), "%s", &b)
		})
	}
	m := tried(skip)
	m.Pairs = m.Pairs[1:]
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "skip: no userfaultfd\n    a -> b s\n1 of 1 pairs could not be tried:\n    a -> b\n1 pairs, 1 runs: 1 skip in 0.0 s; no prediction was tried\n")
}

func TestPairWithoutAPredictionSaysWhy(t *testing.T) {
	m := tried(report.Run{Scenario: "s", Ending: report.Passed})
	m.Pairs[1].Prediction = preflight.Prediction{Outcome: preflight.Unknown, Sentence: "QEMU did not answer"}
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "\nno prediction: QEMU did not answer\n    a -> b\n")
}

func TestWhatCPUsDifferInStandsBesideTheTable(t *testing.T) {
	m := tried(report.Run{Scenario: "s", Ending: report.Passed})
	source := &preflight.Description{Machine: "m", Machines: []string{"m"}, Sections: []preflight.Section{}, CPU: &preflight.CPU{Features: []string{"avx", "x2apic"}}}
	destination := &preflight.Description{Machine: "m", Machines: []string{"m"}, Sections: []preflight.Section{}, CPU: &preflight.CPU{Features: []string{"avx", "pks"}}}
	for i := range m.Pairs {
		m.Pairs[i].Differences = preflight.Compare(source, destination).Differences
	}
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "\nbreaks if in use: the source's CPU has x2apic, which the destination's has not: a guest that uses it dies or computes wrongly\n    a -> a\n    a -> b\n")
	require.NotContains(t, b.String(), "pks", "what is harmless is left out")
}

func TestSameReasonOfManyIsNotListedAtLength(t *testing.T) {
	m := &report.Matrix{Pairs: []report.Pair{{Source: "a", Destination: "b"}}}
	for range 9 {
		m.Scenarios = append(m.Scenarios, "s")
		m.Pairs[0].Runs = append(m.Pairs[0].Runs, report.Run{Scenario: "s", Ending: report.Skipped, Reason: "no mapped-ram"})
	}
	var b strings.Builder
	report.MatrixText(&b, m)
	require.Contains(t, b.String(), "skip: no mapped-ram\n    a -> b s\n")
	require.Contains(t, b.String(), "    and 5 more\n")
	require.Contains(t, b.String(), "what came of 9 scenarios; ")
}

func TestMatrixIsSavedWithItsFacts(t *testing.T) {
	m := matrix(willRefuse)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var back report.Matrix
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, m.Findings(), back.Findings())
	require.Equal(t, m.Pairs[1].Prediction, back.Pairs[1].Prediction)
	again, err := json.Marshal(&back)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(again))
}

func TestPreflightWritesWhatConcernsTheMachine(t *testing.T) {
	r := &preflight.Report{
		Source: "7.2.22", Destination: "11.1.3", Machine: "pc-i440fx-7.2", Prediction: willRefuse,
		Differences: []preflight.Difference{
			{Severity: preflight.Breaks, Sentence: "the source sends vga, and the destination's machine has no such device"},
			{Severity: preflight.IfUsed, Sentence: "the device e1000 is unknown to the destination", Elsewhere: true},
		},
	}
	var b strings.Builder
	report.PreflightText(&b, r, false)
	require.Equal(t, `7.2.22 -> 11.1.3, pc-i440fx-7.2: refused: the source sends vga, and the destination's machine has no such device
  breaks            the source sends vga, and the destination's machine has no such device
  and 1 differences about what this machine has not or does not use; -v writes them
`, b.String())
	b.Reset()
	report.PreflightText(&b, r, true)
	require.Contains(t, b.String(), "breaks if in use  not in this machine: the device e1000 is unknown")

	b.Reset()
	report.PreflightText(&b, &preflight.Report{Source: "a", Destination: "b", Prediction: willRefuse}, false)
	require.Contains(t, b.String(), "a -> b: refused: ", "without a machine type in common there is none to name")
}

func TestPreflightWritesNamesThatASentenceOnlyCounts(t *testing.T) {
	r := &preflight.Report{Source: "a", Destination: "b", Machine: "m", Differences: []preflight.Difference{
		{Severity: preflight.IfUsed, Sentence: "the source's CPU has a, b, c, d (and 1 more)", Names: []string{"a", "b", "c", "d", "e"}},
		{Severity: preflight.Harmless, Sentence: "the destination's CPU has f, g", Names: []string{"f", "g"}},
	}}
	var b strings.Builder
	report.PreflightText(&b, r, false)
	require.NotContains(t, b.String(), "a, b, c, d, e")
	b.Reset()
	report.PreflightText(&b, r, true)
	require.Contains(t, b.String(), "(and 1 more)\n                      a, b, c, d, e\n  harmless          the destination's CPU has f, g\n")
	require.Equal(t, 1, strings.Count(b.String(), "f, g"))
}
