package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

const hostile = "\x1b]0;OWNED\a\u009b2J\r\n\x9b\u202eevil"

func TestTextDisplayPrintsPlainText(t *testing.T) {
	verdict := record.Verdict{Check: hostile, Outcome: record.Fail, Witness: hostile}
	r := &record.Result{
		Scenario: hostile, Arch: hostile, Outcome: record.Fail, Reason: hostile, Dir: hostile,
		Verdicts: []record.Verdict{verdict, verdict},
		Record:   &record.Record{Accel: hostile, Steps: []record.StepFacts{{Name: hostile}}, Diagnosis: []string{hostile}},
	}
	for _, outcome := range []record.Outcome{record.Pass, record.Fail, record.Skip, record.Unknown} {
		for _, verbose := range []bool{false, true} {
			var b strings.Builder
			d := newTextDisplay(&b, verbose, 10)
			d.times, d.skips = &report.Times{}, &skips{}
			d.begin(hostile)
			d.step(hostile, hostile)
			r.Outcome = outcome
			d.done(hostile, r)
			var sum report.Sum
			sum.Add(r)
			d.end(sum)
			require.Contains(t, b.String(), "OWNED")
			for line := range strings.Lines(b.String()) {
				require.False(t, strings.ContainsAny(line, "\x1b\a\r\u009b\u202e"), "%q", line)
				require.NotContains(t, line, "\x9b")
			}
			require.NotContains(t, b.String(), "\n"+`\x9b`, "a line of theirs begins no line of ours")
		}
	}
	require.Equal(t, hostile, r.Verdicts[0].Witness, "the record is left as it is")
}

func TestTerminalSeesNothingThatAQEMUWrote(t *testing.T) {
	qemu := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s' '%s' >&2\nexit 1\n", hostile)
	require.NoError(t, os.WriteFile(qemu, []byte(script), 0o700))
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemu}, "run", "bad_dest")
	require.Equal(t, exitCannotRun, s.exit(t), s)
	require.Contains(t, s.String(), "evil")
	require.NotContains(t, s.String(), "\x1b]0;")
	require.NotContains(t, s.String(), "\u009b")
	require.NotContains(t, s.String(), "\u202e")
}

func TestExitStatusOfARun(t *testing.T) {
	failed := fmt.Errorf("no QEMU")
	for _, c := range []struct {
		name string
		sum  report.Sum
		err  error
		want int
	}{
		{"nothing ran", report.Sum{}, nil, exitOK},
		{"passed", report.Sum{Total: 1, Passed: 1}, nil, exitOK},
		{"skipped", report.Sum{Total: 1, Skipped: 1}, nil, exitOK},
		{"failed", report.Sum{Total: 2, Failed: 1, Passed: 1}, nil, exitFailed},
		{"unknown", report.Sum{Total: 2, Unknown: 1, Passed: 1}, nil, exitCannotRun},
		{"failed and unknown", report.Sum{Total: 2, Unknown: 1, Failed: 1}, nil, exitFailed},
		{"could not be tried", report.Sum{}, failed, exitCannotRun},
		{"failed, then one could not be tried", report.Sum{Total: 1, Failed: 1}, failed, exitFailed},
	} {
		require.Equal(t, c.want, runExit(c.sum, c.err), c.name)
	}
}

func TestExitStatusOfAMatrix(t *testing.T) {
	run := func(e report.Ending) report.Run { return report.Run{Ending: e} }
	for _, c := range []struct {
		name string
		runs []report.Run
		want int
	}{
		{"none", nil, exitCannotRun},
		{"passed, skipped and as documented", []report.Run{run(report.Passed), run(report.Skipped), run(report.Documented)}, exitOK},
		{"could not be tried", []report.Run{run(report.Passed), run(report.Undecided)}, exitCannotRun},
		{"failed", []report.Run{run(report.Undecided), run(report.Failed)}, exitFailed},
		{"contradicted", []report.Run{{Ending: report.Passed, Contradicts: true}}, exitFailed},
	} {
		require.Equal(t, c.want, matrixExit(&report.Matrix{Pairs: []report.Pair{{Runs: c.runs}}}), c.name)
	}
}
