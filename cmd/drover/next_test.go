package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/report"
)

func TestARunOfEverythingEndsWithWhatToTryNext(t *testing.T) {
	for _, c := range []struct {
		name         string
		sum          report.Sum
		qemu, failed string
		want         string // up to the comment
	}{
		{"an old QEMU skips much", report.Sum{Total: 240, Passed: 166, Skipped: 74}, "7.2.22", "", "drover fleet fetch 11.1 && drover run --qemu 11.1"},
		{"10.0 is older than 11.1", report.Sum{Total: 240, Passed: 227, Skipped: 13}, "10.0.13", "", "drover fleet fetch 11.1 && drover run --qemu 11.1"},
		{"the newest skips, too", report.Sum{Total: 240, Passed: 232, Skipped: 8}, "11.1.3", "", "drover fleet fetch && drover matrix"},
		{"newer than the fleet", report.Sum{Total: 240, Passed: 232, Skipped: 8}, "12.0.50", "", "drover fleet fetch && drover matrix"},
		{"nothing was skipped", report.Sum{Total: 240, Passed: 240}, "10.0.13", "", "drover fleet fetch && drover matrix"},
		{"no version is known", report.Sum{Total: 240, Passed: 166, Skipped: 74}, "", "", "drover fleet fetch && drover matrix"},
		{"one failed", report.Sum{Total: 240, Passed: 165, Failed: 1, Skipped: 74}, "7.2.22", "x86_64/bad_dest", "drover run --hold x86_64/bad_dest"},
		{"one is unknown", report.Sum{Total: 240, Passed: 239, Unknown: 1}, "10.0.13", "", ""},
		{"all were skipped", report.Sum{Total: 240, Skipped: 240}, "7.2.22", "", ""},
	} {
		next := nextStep("drover", c.sum, c.qemu, c.failed)
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

func TestWhatGoRunMadeCannotBeCalledAgain(t *testing.T) {
	require.Equal(t, "go run ./cmd/drover", self("/tmp/go-build2837/b001/exe/drover"))
	require.Equal(t, "drover", self("/home/a/go/bin/drover"))
	require.Equal(t, "drover", self("drover"))
}
