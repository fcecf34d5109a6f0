package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/scenarios"
)

// TestPagesAreThoseOfTheCommands: run "go generate ./cmd/drover" after a change.
func TestPagesAreThoseOfTheCommands(t *testing.T) {
	made := t.TempDir()
	root := (&session{}).root()
	require.NoError(t, writeMarkdown(root, filepath.Join(made, "cli")))
	require.NoError(t, writeMan(root, filepath.Join(made, "man")))
	for _, kind := range []string{"cli", "man"} {
		kept := "../../docs/" + kind
		want, got := textsIn(t, filepath.Join(made, kind)), textsIn(t, kept)
		for name, text := range want {
			require.True(t, text == got[name], "%s/%s is not what drover has; run \"go generate ./cmd/drover\"", kept, name)
			delete(got, name)
		}
		require.Empty(t, got, "%s: what drover no longer has; delete it", kept)
		require.Contains(t, want, map[string]string{"cli": "drover_fleet_fetch.md", "man": "drover-fleet-fetch.1"}[kind])
	}
}

func textsIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	texts := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(t, err)
		texts[e.Name()] = string(text)
	}
	return texts
}

// TestCommandLinesOfTheDocumentsAreRight parses each line that a reader may copy from a
// document, as the command does before it runs anything; scenarios have to exist.
func TestCommandLinesOfTheDocumentsAreRight(t *testing.T) {
	found := 0
	for _, path := range documents(t) {
		for _, line := range commandLines(t, textOf(t, path)) {
			found++
			requireRight(t, path, line)
		}
	}
	require.Greater(t, found, 100, "the documents have command lines")
}

// requireRight demands that a command line is one that drover would run.
func requireRight(t *testing.T, path string, line []string) {
	t.Helper()
	var out strings.Builder
	s := session{dry: true, stdout: &out, stderr: &out}
	require.Equal(t, exitOK, s.execute(t.Context(), line), "%s: drover %q: %s", path, line, &out)
	if line[0] == "run" || line[0] == "list" || line[0] == "matrix" {
		requireScenarios(t, path, line)
	}
}

// TestExamplesOfEachCommandAreRight: what -h and the man pages show of a command are calls of
// that command, and those of a shell's words that have it inside.
func TestExamplesOfEachCommandAreRight(t *testing.T) {
	left := examples()
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		delete(left, strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "drover"), " "))
		if c.Runnable() && !c.Hidden && len(c.Commands()) == 0 && !slices.Contains([]string{"doctor", "version", "completion", "list"}, c.Name()) {
			require.NotEmpty(t, c.Example, "%s -h shows no example: see examples.go", c.CommandPath())
		}
		for _, m := range regexp.MustCompile(`(?m)^    ((?:source <\()?drover .*)$`).FindAllStringSubmatch(c.Long, -1) {
			for _, line := range commandLines(t, "$ "+m[1]+"\n") {
				requireRight(t, c.CommandPath(), line)
			}
		}
		if c.Example != "" {
			lines := commandLines(t, "```sh\n"+c.Example+"\n```\n")
			require.Len(t, lines, strings.Count(c.Example, "\n")+1, c.CommandPath())
			for _, line := range lines {
				require.Contains(t, "drover "+strings.Join(line, " "), c.CommandPath())
				requireRight(t, c.CommandPath(), line)
			}
		}
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look((&session{}).root())
	require.Empty(t, left, "examples of what is no command")
}

// textOf is what a document has; of a Dockerfile that is its comments.
func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	if filepath.Base(path) != "Dockerfile" {
		return string(text)
	}
	var comments strings.Builder
	for line := range strings.Lines(string(text)) {
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			comments.WriteString(regexp.MustCompile(`^     (\S)`).ReplaceAllString(comment, "$$ $1"))
		}
	}
	return comments.String()
}

// documents are the Markdown files of this repository, and its Dockerfile.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "..")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".md"), name == "Dockerfile":
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

// requireScenarios demands that what a line names is there, or is the reader's: a word in
// capitals or a file.
func requireScenarios(t *testing.T, path string, line []string) {
	t.Helper()
	for _, word := range scenariosOf(t, line) {
		if word == strings.ToUpper(word) || strings.HasSuffix(word, scenarios.Extension) {
			continue
		}
		_, err := choose(jobsOf(scenarios.All(), targets), "", []string{word})
		require.NoError(t, err, "%s: drover %q", path, line)
	}
}

// scenariosOf are those that a command line names.
func scenariosOf(t *testing.T, line []string) []string {
	t.Helper()
	c, rest, err := find((&session{}).root(), line)
	require.NoError(t, err)
	require.NoError(t, c.ParseFlags(doubleDashed(c.Flags(), rest)))
	if f := c.Flag("scenarios"); f != nil {
		return strings.Split(f.Value.String(), ",")
	}
	words := c.Flags().Args()
	if at := c.ArgsLenAtDash(); at >= 0 {
		words = words[:at]
	}
	return words
}
