package main

import (
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
		line := append([]string{c[1]}, strings.Fields(c[2])...)
		var out strings.Builder
		s := session{dry: true, stdout: &out, stderr: &out}
		require.Equal(t, exitOK, s.execute(t.Context(), line), "%s: %s", c[0], &out)
		if c[1] == "run" || c[1] == "matrix" {
			require.NotEmpty(t, scenariosOf(t, line), c[0])
			requireScenarios(t, "FOUND.md", line)
		}
	}
}
