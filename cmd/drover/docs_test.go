package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, line := range commandLines(t, string(text)) {
			found++
			var out strings.Builder
			s := session{dry: true, stdout: &out, stderr: &out}
			require.Equal(t, exitOK, s.execute(t.Context(), line), "%s: drover %q: %s", path, line, &out)
			if line[0] == "run" || line[0] == "list" || line[0] == "matrix" {
				requireScenarios(t, path, line)
			}
		}
	}
	require.Greater(t, found, 15, "the documents have command lines")
}

// documents are the Markdown files of this repository.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "..")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".md"):
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

// commandLines are the arguments of each drover that a document shows: in a line behind a
// prompt, or in one between backquotes that has arguments.
func commandLines(t *testing.T, document string) (lines [][]string) {
	t.Helper()
	for line := range strings.Lines(document) {
		shown, atPrompt := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		_, inScript, _ := strings.Cut(shown, "; ") // as in sh -c 'make; drover run'
		candidates := []string{shown, strings.TrimRight(inScript, "'")}
		if !atPrompt {
			candidates = nil
			for i, quoted := range strings.Split(line, "`") {
				if i%2 == 1 {
					candidates = append(candidates, quoted)
				}
			}
		}
		for _, text := range candidates {
			text, _, _ = strings.Cut(text, " #")
			for _, call := range []string{"drover ", "go run ./cmd/drover "} {
				if rest, ok := strings.CutPrefix(text, call); ok {
					words, err := splitWords(rest)
					require.NoError(t, err, line)
					if atPrompt || len(words) > 1 { // else it is a command's name
						lines = append(lines, words)
					}
				}
			}
		}
	}
	return lines
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

func TestCommandLinesAreFoundInDocuments(t *testing.T) {
	const document = "Run `drover run a/b`, `drover preflight` or `drover`.\n```console\n$ drover list -v   # all\n$ go run ./cmd/drover run -- -cpu 'a b'\n$ make\n```\n    $ drover vet x\n$ sh -c 'make; drover run --bisect y'\n"
	require.Equal(t, [][]string{{"run", "a/b"}, {"list", "-v"}, {"run", "--", "-cpu", "a b"}, {"vet", "x"}, {"run", "--bisect", "y"}}, commandLines(t, document))
}
