package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCommandLineOfTheDocumentsIsLookedAt: a line for a shell runs drover, and is
// parsed above, or make, and has such a target, or go test, and has such tests, or is of
// those that aren't tried here, for a reason.
func TestEveryCommandLineOfTheDocumentsIsLookedAt(t *testing.T) {
	notTried := map[string]string{
		"go install github.com/drover-vm/drover/cmd/drover@latest": "install_test.go at the top installs it, without a network",
		"go install ./cmd/drover":                                  "it builds what all scripts of this package run",
		"go get github.com/drover-vm/drover":                       "install_test.go at the top gets it, without a network",
		"git bisect":                                               "needs the repository of QEMU; bisect.txt among the scripts has one like it",
		"docker build":                                             "needs images of others",
		"apt-get ":                                                 "needs root and a network",
		"PATH=":                                                    "the shell's own",
		"export PATH=":                                             "the shell's own",
		"mkdir -p":                                                 "the shell's own",
		"mv ":                                                      "the shell's own",
		"set -eu":                                                  "the shell's own",
	}
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, path := range documents(t) {
		for _, shown := range shellLines(textOf(t, path)) {
			line := regexp.MustCompile(`^([A-Z_]+=(\S*\$\([^)]*\)|[^\s$"]+) )+`).ReplaceAllString(shown.commands[0], "")
			known := slices.ContainsFunc(shown.commands, func(c string) bool {
				return regexp.MustCompile(`^(drover|go run \.\.?/cmd/drover|docker run --rm drover) `).MatchString(c)
			})
			if target, ok := strings.CutPrefix(line, "make "); ok {
				require.Contains(t, string(makefile), "\n"+strings.Fields(target)[0]+":", "%s: %s", path, shown.line)
				known = true
			}
			if words, ok := strings.CutPrefix(line, "go test "); ok {
				requireTests(t, path, words)
				known = true
			}
			for beginning := range notTried {
				if strings.HasPrefix(line, beginning) {
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

// requireTests demands that the packages of this repository that "go test" is given are
// there, with the flags that are their own, and tests or benchmarks of the name that -run or
// -bench begins with.
func requireTests(t *testing.T, path, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, " && ")
	words, err := splitWords(line)
	require.NoError(t, err, line)
	var sources strings.Builder
	for _, word := range words {
		folder, ok := strings.CutPrefix(word, "./")
		if folder = strings.TrimSuffix(folder, "/..."); !ok || folder == "..." {
			continue
		}
		found, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
		require.NoError(t, err)
		require.NotEmpty(t, found, "%s: go test %s: no tests in %s", path, line, word)
		for _, name := range found {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			sources.Write(text)
		}
	}
	if sources.Len() == 0 { // the reader's own package
		return
	}
	for i, word := range words {
		switch word {
		case "-run", "-bench":
			name := regexp.MustCompile(`^\w*`).FindString(words[i+1])
			if word == "-run" && name != "" {
				require.Contains(t, sources.String(), "func "+name+"(", "%s: go test %s", path, line)
			} else {
				require.Contains(t, sources.String(), "func "+name, "%s: go test %s", path, line)
			}
		case "-update", "-suite", "-compare", "-pictures":
			require.Contains(t, sources.String(), `"`+word[1:]+`"`, "%s: go test %s", path, line)
		}
	}
}

// commandLines are the arguments of each drover that a document shows: in a command line, in
// what a GitHub job gives this repository's action, or between backquotes with arguments.
func commandLines(t *testing.T, document string) (lines [][]string) {
	t.Helper()
	add := func(text string, always bool) {
		text, _, _ = strings.Cut(text, " #")
		text, _, _ = strings.Cut(text, " | ")
		for _, call := range []string{"drover ", "go run ./cmd/drover ", "go run ../cmd/drover ", "docker run --rm drover "} {
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
		for _, open := range []string{"$(", "<("} {
			if _, within, ok := strings.Cut(text, open); ok {
				within, _, _ = strings.Cut(within, ")")
				commands = append(commands, within)
			}
		}
		lines = append(lines, shellLine{line, commands})
	}
	return lines
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
