package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// commandLines are the arguments of each drover that a document shows: in a command line, in
// what a GitHub job gives this repository's action, or between backquotes with arguments.
func commandLines(t *testing.T, document string) (lines [][]string) {
	t.Helper()
	add := func(text string, always bool) {
		text, _, _ = strings.Cut(text, " #")
		for _, call := range []string{"drover ", "go run ./cmd/drover "} {
			if rest, ok := strings.CutPrefix(text, call); ok {
				words, err := splitWords(rest)
				require.NoError(t, err, text)
				if always || len(words) > 1 { // else it is a command's name
					lines = append(lines, words)
				}
			}
		}
	}
	shown := shellLines(document)
	for line := range strings.Lines(document) {
		if len(shown) > 0 && strings.TrimSpace(line) == shown[0].line {
			for _, command := range shown[0].commands {
				add(command, true)
			}
			shown = shown[1:]
			continue
		}
		for i, quoted := range strings.Split(line, "`") {
			if i%2 == 1 {
				add(quoted, false)
			}
		}
	}
	return lines
}

// A shellLine is a line of a document that a reader may give to a shell.
type shellLine struct {
	line     string
	commands []string // it, and those that are within it: $(drover list), sh -c 'make; drover run'
}

// shellLines are the lines behind a prompt, and those of blocks of sh and of yaml (the items
// of its lists, and what the action of this repository is to run).
func shellLines(document string) (lines []shellLine) {
	block := ""
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		if language, fence := strings.CutPrefix(line, "```"); fence {
			block = language
			continue
		}
		text, ok := strings.CutPrefix(line, "$ ")
		switch {
		case ok:
		case block == "sh":
			text = line
		case block == "yaml" && strings.HasPrefix(line, "scenarios: "):
			text = "drover run " + strings.TrimPrefix(line, "scenarios: ")
		case block == "yaml" && regexp.MustCompile(`^- (go|drover|apt-get) `).MatchString(line):
			text = line[2:]
		default:
			continue
		}
		commands := []string{text}
		if _, within, ok := strings.Cut(text, "; "); ok {
			commands = append(commands, strings.TrimRight(within, "'"))
		}
		if _, within, ok := strings.Cut(text, "$("); ok {
			within, _, _ = strings.Cut(within, ")")
			commands = append(commands, within)
		}
		lines = append(lines, shellLine{line, commands})
	}
	return lines
}

// TestEveryCommandLineOfTheDocumentsIsLookedAt: in README.md and docs, a line for a shell
// either runs drover, and is parsed above, or make, and has such a target, or is of those
// that aren't tried here, for a reason.
func TestEveryCommandLineOfTheDocumentsIsLookedAt(t *testing.T) {
	notTried := map[string]string{
		"go install github.com/drover-vm/drover/cmd/drover@latest": "install_test.go at the top installs it, without a network",
		"go get github.com/drover-vm/drover":                       "needs a network; examples is a module that has it",
		"go test":                                                  "its tests are in this repository, or the reader's",
		"git bisect":                                               "needs the repository of QEMU; bisect.txt among the scripts has one like it",
		"apt-get update":                                           "needs root and a network",
		"PATH=":                                                    "the shell's own",
		"mkdir -p":                                                 "the shell's own",
		"set -eu":                                                  "the shell's own",
	}
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, path := range documents(t) {
		if name := strings.TrimPrefix(path, "../../"); name != "README.md" && !strings.HasPrefix(name, "docs/") {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, shown := range shellLines(string(text)) {
			if slices.ContainsFunc(shown.commands, func(c string) bool { return strings.HasPrefix(c, "drover ") }) {
				continue
			}
			if target, ok := strings.CutPrefix(shown.commands[0], "make "); ok {
				require.Contains(t, string(makefile), "\n"+strings.Fields(target)[0]+":", "%s: %s", path, shown.line)
				continue
			}
			known := false
			for beginning := range notTried {
				if strings.HasPrefix(shown.commands[0], beginning) {
					known, used[beginning] = true, true
				}
			}
			require.True(t, known, "%s shows %q, which no test looks at", path, shown.line)
		}
	}
	for beginning := range notTried {
		require.True(t, used[beginning], "no document shows %q any more", beginning)
	}
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
	for _, c := range []struct {
		document string
		found    [][]string
	}{
		{"Run `drover run a/b`, `drover preflight` or `drover`.\n", [][]string{{"run", "a/b"}}},
		{"```console\n$ drover list -v   # all\n$ go run ./cmd/drover run -- -cpu 'a b'\n$ make\n```\n", [][]string{{"list", "-v"}, {"run", "--", "-cpu", "a b"}}},
		{"    $ drover vet x\n$ sh -c 'make; drover run --bisect y'\n", [][]string{{"vet", "x"}, {"run", "--bisect", "y"}}},
		{"```console\n$ export Q=$(drover fleet ensure x86_64)   # where\n```\n", [][]string{{"fleet", "ensure", "x86_64"}}},
		{"```sh\ndrover matrix 7.2 \"$PWD/q\" -- -S\n```\ndrover is not here\n", [][]string{{"matrix", "7.2", "$PWD/q", "--", "-S"}}},
		{"```yaml\n  scenarios: --suite 10.0\n  script:\n    - drover run x\n    - key: drover y\n```\n", [][]string{{"run", "--suite", "10.0"}, {"run", "x"}}},
		{"```\ndrover prints this\n```\n", nil},
	} {
		require.Equal(t, c.found, commandLines(t, c.document), c.document)
	}
}
