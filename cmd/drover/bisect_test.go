package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/report"
)

func TestExitStatusForBisect(t *testing.T) {
	for _, c := range []struct {
		sum  report.Sum
		err  error
		want int
	}{
		{report.Sum{Total: 2, Passed: 2}, nil, exitOK},
		{report.Sum{Total: 2, Passed: 1, Failed: 1}, nil, exitFailed},
		{report.Sum{Total: 2, Failed: 1, Unknown: 1}, errors.New("the third did not start"), exitFailed},
		{report.Sum{Total: 1, Passed: 1}, errors.New("the second did not start"), exitUntried},
		{report.Sum{Total: 2, Passed: 1, Unknown: 1}, nil, exitUntried},
		{report.Sum{Total: 2, Passed: 1, Skipped: 1}, nil, exitUntried},
		{report.Sum{}, nil, exitUntried},
	} {
		require.Equal(t, c.want, bisectExit(c.sum, c.err), "%+v, %v", c.sum, c.err)
	}
}

func TestBisectingIsSeenInACommandLineThatIsWrong(t *testing.T) {
	for args, want := range map[string]bool{
		"run --bisect":             true,
		"run -nonsense -bisect":    true,
		"run a --bisect=true":      true,
		"run --bisect=false":       false,
		"run bisect":               false,
		"run a -- --bisect":        false,
		"list --bisect":            false,
		"":                         false,
		"run --bisect-nonsense":    false,
		"run --count x --bisect a": true,
	} {
		require.Equal(t, want, bisecting(strings.Fields(args)), args)
	}
}
