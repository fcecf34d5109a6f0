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
	willComplete = preflight.Prediction{Outcome: preflight.Completes}
	willRefuse   = preflight.Prediction{Outcome: preflight.Refused, Sentence: "the source sends vga, and the destination's machine has no such part", Subjects: []string{"vga"}}
	mayFail      = preflight.Prediction{Outcome: preflight.MayFail, Sentence: "virtio takes other bytes", Subjects: []string{"virtio-net"}}
	cannotTell   = preflight.Prediction{Outcome: preflight.Unknown}
)

// refused is a run whose destination gave up, and whose guest then ran on.
func refused(says string, life *record.LifeFacts) *record.Result {
	return &record.Result{
		Scenario: "version/7.2-11.1/precopy/unix/plain", Arch: "x86_64", Outcome: record.Fail,
		Reason: "steps: await switchover: the source's migration status is failed; last on its monitor: much",
		Record: &record.Record{Error: "await switchover: …", Life: life, Destination: &record.SideFacts{Stderr: says}},
	}
}

func runsOn() *record.LifeFacts {
	return &record.LifeFacts{Side: "source", Running: true, Before: record.Reading{Value: 1}, After: record.Reading{Value: 2}, Heartbeats: 3}
}

const unknownVGA = "qemu-system-x86_64: warning: old machine\nqemu-system-x86_64: Unknown section or instance 'vga' 0\n"

func TestRunIsAssessedBesideItsPrediction(t *testing.T) {
	standing := runsOn()
	standing.After = standing.Before
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
		{"refused, and nothing was predicted", willComplete, refused(unknownVGA, runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed; the destination says: Unknown section or instance 'vga' 0"},
		{"refused, and nobody could tell", cannotTell, refused(unknownVGA, runsOn()), report.Failed, false, ""},
		{"refused for something else", willRefuse, refused("qemu-system-x86_64: no room\n", runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed; the destination says: no room"},
		{"refused where it could be", mayFail, refused("Failed to load virtio-net\n", runsOn()), report.Documented, false, ""},
		{"refused, and the guest stands", willRefuse, refused(unknownVGA, standing), report.Failed, true, ""},
		{"refused, and nobody looked", willRefuse, refused(unknownVGA, nil), report.Failed, true, ""},
		{"refused, and it lives elsewhere", willRefuse, refused(unknownVGA, elsewhere), report.Failed, true, ""},
		{"said nothing", willRefuse, refused("", runsOn()), report.Failed, true, "steps: await switchover: the source's migration status is failed"},
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
Each field: what came of precopy/unix/plain, postcopy/plain; then what was predicted; below, the machine type.
skip: no userfaultfd
    7.2 -> 7.2 postcopy/plain
    7.2 -> 11.1 postcopy/plain
    11.1 -> 7.2 postcopy/plain
    11.1 -> 11.1 postcopy/plain
fail as documented: the source sends vga, and the destination's machine has no such part, and the guest runs on at the source; the destination says: Unknown section or instance 'vga' 0
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

func TestPreflightTellsWhatConcernsTheMachine(t *testing.T) {
	r := &preflight.Report{
		Source: "7.2.22", Destination: "11.1.3", Machine: "pc-i440fx-7.2", Prediction: willRefuse,
		Differences: []preflight.Difference{
			{Severity: preflight.Breaks, Sentence: "the source sends vga, and the destination's machine has no such part"},
			{Severity: preflight.IfUsed, Sentence: "the device e1000 is unknown to the destination", Elsewhere: true},
		},
	}
	var b strings.Builder
	report.PreflightText(&b, r, false)
	require.Equal(t, `7.2.22 -> 11.1.3, pc-i440fx-7.2: refused: the source sends vga, and the destination's machine has no such part
  breaks            the source sends vga, and the destination's machine has no such part
  and 1 differences about what this machine has not or does not use; -v writes them
`, b.String())
	b.Reset()
	report.PreflightText(&b, r, true)
	require.Contains(t, b.String(), "breaks if in use  not in this machine: the device e1000 is unknown")
}
