package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandsOfFoundAreOnesThatThereAre: FOUND.md lists QEMU's bugs with commands that
// show them, which have to be taken as they stand there.
func TestCommandsOfFoundAreOnesThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../FOUND.md")
	require.NoError(t, err)
	commands := regexp.MustCompile("drover (run|matrix|preflight) ([^`;|\n]*)").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(commands), 30)
	for _, c := range commands {
		args := strings.Fields(c[2])
		var patterns []string
		switch c[1] {
		case "run":
			flags, err := parseRun(args, io.Discard)
			require.NoError(t, err, c[0])
			patterns = flags.patterns
		case "matrix":
			flags, err := parseMatrix(args, io.Discard)
			require.NoError(t, err, c[0])
			patterns = strings.Split(flags.scenarios, ",")
		default:
			continue
		}
		require.NotEmpty(t, patterns, c[0])
		_, err := choose(allJobs([]string{"x86_64"}), "", patterns)
		require.NoError(t, err, c[0])
	}
}
