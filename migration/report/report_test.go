package report_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

func passed() *record.Result {
	return &record.Result{
		Scenario: "precopy/unix/plain", Arch: "x86_64", Outcome: record.Pass, Seconds: 1.234,
		Record: &record.Record{Migration: &record.MigrationFacts{TotalMS: 640, DowntimeMS: 12, Passes: 5}},
	}
}

func failed() *record.Result {
	return &record.Result{
		Scenario: "bad_dest", Arch: "i386", Outcome: record.Fail, Seconds: 3, Dir: "/tmp/kept",
		Reason: "steps: await failure: it never failed",
		Verdicts: []record.Verdict{
			{Check: "steps", Outcome: record.Fail, Witness: "await failure: it never failed"},
			{Check: "clean end", Outcome: record.Fail, Witness: "the source ended with exit status 1"},
			{Check: "guest lives", Outcome: record.Unknown, Witness: "nobody looked"},
		},
		Record: &record.Record{Diagnosis: []string{"the source's run state is paused"}},
	}
}

func TestLineSaysWhatAPersonWantsToKnow(t *testing.T) {
	require.Equal(t, "pass     x86_64/precopy/unix/plain      1.23 s  total 640 ms  downtime 12 ms  5 passes", report.Line(passed(), 28, false))
	require.Equal(t, "fail     i386/bad_dest                  3.00 s  steps: await failure: it never failed", report.Line(failed(), 28, false))
	require.Contains(t, report.Line(failed(), 28, true), "\x1b[1;31mfail   \x1b[0m")
	skipped := &record.Result{Scenario: "postcopy/plain", Arch: "x86_64", Outcome: record.Skip, Reason: "no userfaultfd"}
	require.Contains(t, report.Line(skipped, 28, false), "no userfaultfd")
}

func TestPrintNamesTheOtherFailuresAndTheArtifacts(t *testing.T) {
	var b strings.Builder
	report.Print(&b, failed(), 28, false)
	require.Equal(t, 1, strings.Count(b.String(), "it never failed"), b.String())
	require.Contains(t, b.String(), "also     clean end: the source ended with exit status 1")
	require.Contains(t, b.String(), "artifacts: /tmp/kept")
	require.NotContains(t, b.String(), "nobody looked")

	b.Reset()
	unjudged := failed()
	unjudged.Verdicts = nil
	report.Print(&b, unjudged, 28, false)
	require.Contains(t, b.String(), "it never failed")
	require.Contains(t, b.String(), "the source's run state is paused")
	require.Contains(t, b.String(), "artifacts: /tmp/kept")
}

func TestSumCountsEachOutcome(t *testing.T) {
	var sum report.Sum
	require.Equal(t, "0 scenarios: none ran in 0.0 s", sum.String())
	sum.Add(passed())
	require.True(t, sum.OK())
	require.Equal(t, "1 scenario: 1 passed in 0.0 s", sum.String())
	sum.Add(&record.Result{Outcome: record.Skip})
	require.True(t, sum.OK())
	sum.Add(&record.Result{Outcome: record.Unknown})
	require.False(t, sum.OK(), "what is unknown did not pass")
	sum.Add(failed())
	sum.Seconds = 8.06
	require.Equal(t, "4 scenarios: 1 passed, 1 failed, 1 unknown, 1 skipped in 8.1 s", sum.String())
}

func TestJSONIsOneObjectALine(t *testing.T) {
	var b strings.Builder
	_ = report.JSONLine(&b, passed())
	_ = report.JSONLine(&b, failed())
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2)
	var back record.Result
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &back))
	require.Equal(t, *failed(), back)
}

// hostile is text as a record may hold it, whoever wrote it, and what a terminal obeys.
const hostile = "\x1b]0;OWNED\x07\x1b[2J\r\u009b31m\u202e\x7f\U000e0001\n"

func TestTextOfOthersIsShownAndNotObeyed(t *testing.T) {
	r := failed()
	r.Arch, r.Scenario, r.Reason, r.Dir = r.Arch+hostile, r.Scenario+hostile, r.Reason+hostile, r.Dir+hostile
	r.Verdicts[1].Check, r.Verdicts[1].Witness = "clean end"+hostile, hostile
	r.Record.Diagnosis = []string{hostile}
	for what, write := range map[string]func(w io.Writer){
		"line":     func(w io.Writer) { fmt.Fprintln(w, report.Line(r, 28, false)) },
		"verdicts": func(w io.Writer) { report.Verdicts(w, r.Verdicts) },
		"print":    func(w io.Writer) { report.Print(w, r, 28, false) },
		"steps":    func(w io.Writer) { report.Steps(w, []record.StepFacts{{Name: hostile}}) },
		"JSON":     func(w io.Writer) { _ = report.JSONLine(w, r) },
	} {
		var b strings.Builder
		write(&b)
		require.Contains(t, b.String(), "OWNED", what)
		for _, c := range strings.TrimSuffix(b.String(), "\n") {
			require.True(t, unicode.IsGraphic(c) || c == '\n' && what != "JSON", "%s has %U: %q", what, c, b.String())
		}
	}
	require.Equal(t, 3, strings.Count(lines(r.Verdicts), "\n"), "a verdict is one line")
}

func lines(verdicts []record.Verdict) string {
	var b strings.Builder
	report.Verdicts(&b, verdicts)
	return b.String()
}

func TestJSONWithEscapesIsTheSameValue(t *testing.T) {
	r := failed()
	r.Reason = hostile
	var b strings.Builder
	_ = report.JSONLine(&b, r)
	var back record.Result
	require.NoError(t, json.Unmarshal([]byte(b.String()), &back))
	require.Equal(t, *r, back)
}

func TestValueThatJSONDoesNotKnowIsSaid(t *testing.T) {
	var b strings.Builder
	require.ErrorContains(t, report.JSONLine(&b, math.NaN()), "NaN")
	require.Equal(t, `{"Error":"report: float64 can't be written as JSON: json: unsupported value: NaN"}`+"\n", b.String())
}

func TestLineThatCanNotBeWrittenIsAnError(t *testing.T) {
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(syscall.ENOSPC))
	require.ErrorIs(t, report.JSONLine(w, 1), syscall.ENOSPC)
}

func ExampleLine() {
	fmt.Println(report.Line(&record.Result{
		Scenario: "precopy/unix/plain", Arch: "x86_64", Outcome: record.Fail, Seconds: 2.5,
		Reason: "workload: the byte at 0x1234000 is wrong: expected 7, found 5",
	}, 28, false))
	report.Steps(os.Stdout, []record.StepFacts{{Name: "boot", Seconds: 0.25}})
	// Output:
	// fail     x86_64/precopy/unix/plain      2.50 s  workload: the byte at 0x1234000 is wrong: expected 7, found 5
	//       0.250 s  boot
}

// TestWhatSuchAGuestHasNotIsNotCalledRuledOut: a check that has nothing to judge is no pass.
func TestWhatSuchAGuestHasNotIsNotCalledRuledOut(t *testing.T) {
	var b strings.Builder
	result := failed()
	result.Verdicts = append(result.Verdicts, record.Verdict{Check: "workload", Outcome: record.NotApplicable, Witness: "the guest is Linux"})
	report.Verdicts(&b, result.Verdicts)
	require.Contains(t, b.String(), "n/a      workload: the guest is Linux")
	b.Reset()
	report.Print(&b, result, 28, false)
	require.NotRegexp(t, `ruled out.*workload`, b.String())
}

// TestAPageHasWhatIsBehindATPM wrote, where it wrote something.
func TestAPageHasWhatIsBehindATPM(t *testing.T) {
	for _, wrote := range []string{"", "swtpm: no room for the state\n"} {
		dir := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/runs/precopy")))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "destination.swtpm"), []byte(wrote), 0o600))
		r, err := record.Load(dir)
		require.NoError(t, err)
		require.NoError(t, report.WriteRun(dir, record.Judged(r)))
		page := read(t, filepath.Join(dir, report.TextFile))
		require.Equal(t, wrote != "", strings.Contains(page, "destination, swtpm"))
		require.Contains(t, page, wrote[:max(0, len(wrote)-1)])
	}
}
