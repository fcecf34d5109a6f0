package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

func TestARunOfEverythingEndsWithWhatToTryNext(t *testing.T) {
	of := func(o record.Outcome) *record.Result {
		return &record.Result{Scenario: "bad_dest", Arch: "x86_64", Outcome: o}
	}
	for _, c := range []struct {
		name  string
		sum   report.Sum
		qemu  string
		worst *record.Result
		want  string // up to the comment
	}{
		{"an old QEMU skips much", report.Sum{Total: 240, Passed: 166, Skipped: 74}, "7.2.22", nil, "drover fleet fetch 11.1 && drover run --qemu 11.1"},
		{"10.0 is older than 11.1", report.Sum{Total: 240, Passed: 227, Skipped: 13}, "10.0.13", nil, "drover fleet fetch 11.1 && drover run --qemu 11.1"},
		{"the newest skips, too", report.Sum{Total: 240, Passed: 232, Skipped: 8}, "11.1.3", nil, "drover fleet fetch && drover matrix"},
		{"newer than the fleet", report.Sum{Total: 240, Passed: 232, Skipped: 8}, "12.0.50", nil, "drover fleet fetch && drover matrix"},
		{"nothing was skipped", report.Sum{Total: 240, Passed: 240}, "10.0.13", nil, "drover fleet fetch && drover matrix"},
		{"no version is known", report.Sum{Total: 240, Passed: 166, Skipped: 74}, "", nil, "drover fleet fetch && drover matrix"},
		{"one failed", report.Sum{Total: 240, Passed: 165, Failed: 1, Skipped: 74}, "7.2.22", of(record.Fail), "drover run --hold x86_64/bad_dest"},
		{"one is unknown", report.Sum{Total: 240, Passed: 239, Unknown: 1}, "10.0.13", of(record.Unknown), "drover run x86_64/bad_dest"},
		{"all were skipped", report.Sum{Total: 240, Skipped: 240}, "7.2.22", nil, ""},
	} {
		next := nextStep("drover", c.sum, c.qemu, c.worst)
		line, why, _ := strings.Cut(next, "    # ")
		require.Equal(t, c.want, line, c.name)
		require.Equal(t, next == "", why == "", c.name)
		for command := range strings.SplitSeq(line, " && ") {
			if command != "" {
				requireRight(t, c.name, strings.Fields(command)[1:])
			}
		}
	}
}

func TestTheLastLineOnATerminalIsOfTheFirstThatFailed(t *testing.T) {
	for _, live := range []bool{true, false} {
		var b strings.Builder
		d := newTextDisplay(&b, false, 10)
		d.live = live
		d.next = func(worst *record.Result) string { return "try " + worst.Name() }
		var sum report.Sum
		for name, outcome := range []record.Outcome{record.Pass, record.Unknown, record.Fail, record.Unknown, record.Fail} {
			r := &record.Result{Scenario: string(rune('a' + name)), Arch: "x86_64", Outcome: outcome}
			sum.Add(r)
			d.done(r.Name(), r)
		}
		d.end(sum)
		require.Equal(t, live, strings.HasSuffix(b.String(), "\nnext: try x86_64/c\n"), b.String())
	}
}

func TestWhatGoRunMadeCannotBeCalledAgain(t *testing.T) {
	require.Equal(t, "go run ./cmd/drover", self("/tmp/go-build2837/b001/exe/drover"))
	require.Equal(t, "drover", self("/home/a/go/bin/drover"))
	require.Equal(t, "drover", self("drover"))
}
