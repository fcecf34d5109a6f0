package drover_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

// TestLinksInDocumentsLeadSomewhere: every relative link of every Markdown file is to a
// file or folder that is there, and one with a # to a heading that is in it.
func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	links := 0
	for _, document := range documents(t) {
		text := prose(t, document)
		for _, m := range regexp.MustCompile(`\]\(<?([^)\s>]+)`).FindAllStringSubmatch(text, -1) {
			if regexp.MustCompile(`^[a-z]+:`).MatchString(m[1]) { // on another machine
				continue
			}
			links++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			require.True(t, exists(target), "%s links to %s, which isn't there", document, m[1])
			if anchor != "" {
				require.Contains(t, anchors(t, target), anchor, "%s links to %s: %s has no such heading", document, m[1], target)
			}
		}
	}
	require.Greater(t, links, 20)
}

// TestGoInDocumentsIsOfTestsThatRun: the lines of every block of Go in a document are, in
// that order, lines of one file that is compiled and run: an example, or what examples has.
// The document may leave lines out.
func TestGoInDocumentsIsOfTestsThatRun(t *testing.T) {
	var sources []string
	for _, path := range files(t, ".go") {
		if in, name := filepath.Split(path); in == "examples/" || strings.HasPrefix(name, "example") && strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			sources = append(sources, string(text))
		}
	}
	blocks := 0
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			blocks++
			require.True(t, slices.ContainsFunc(sources, func(source string) bool { return hasLines(source, m[1]) }),
				"%s shows Go that no example has:\n%s", document, m[1])
		}
	}
	require.Greater(t, blocks, 10)
}

// TestPackageCommentOfLaunchertestShowsATestThatRuns: what pkg.go.dev shows first.
func TestPackageCommentOfLaunchertestShowsATestThatRuns(t *testing.T) {
	doc, err := os.ReadFile("launcher/launchertest/doc.go")
	require.NoError(t, err)
	var shown []string
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			shown = append(shown, code)
		}
	}
	require.NotEmpty(t, shown)
	example, err := os.ReadFile("examples/firmware_test.go")
	require.NoError(t, err)
	require.True(t, hasLines(string(example), strings.Join(shown, "")))
}

// TestExamplesNameEachOfTheirFiles: the comment of their package is the list to choose from, and
// each of the README's doors has one.
func TestExamplesNameEachOfTheirFiles(t *testing.T) {
	doc, err := os.ReadFile("examples/examples.go")
	require.NoError(t, err)
	for _, pattern := range []string{"*_test.go", "*.scenario"} {
		found, err := filepath.Glob("examples/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found)
		for _, path := range found {
			require.Contains(t, string(doc), filepath.Base(path))
		}
	}
	for door, file := range map[string]string{
		"I maintain QEMU": "file_test.go", "I upgrade a fleet": "preflight_test.go",
		"I need a VM in a Go test": "firmware_test.go", "I have a QMP socket": "qmp_test.go",
	} {
		readme, err := os.ReadFile("README.md")
		require.NoError(t, err)
		require.Contains(t, string(readme), "\n## "+door+"\n")
		require.Contains(t, string(doc), file, door)
	}
}

// TestEveryPackageThatOthersMayImportHasAnExample: pkg.go.dev shows it beside what it is of.
// What is run of one, its Output says.
func TestEveryPackageThatOthersMayImportHasAnExample(t *testing.T) {
	examples := map[string]string{}
	for _, path := range files(t, "_test.go") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.Contains(string(text), "\nfunc Example") {
			examples[filepath.ToSlash(filepath.Dir(path))] = path
		}
	}
	for _, p := range ours(t) {
		folder := p.folder()
		if p.Name == "main" || strings.Contains("/"+folder+"/", "/internal/") {
			continue
		}
		require.Contains(t, examples, folder, "package %s has no example", folder)
	}
}

// TestChangelogHasTheFormThatItNames: versions from the newest on, each with a date, a link,
// and no other sections than Keep a Changelog's, each once and with something in it.
func TestChangelogHasTheFormThatItNames(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	require.NoError(t, err)
	versions := strings.Split(string(text), "\n## ")[1:]
	require.True(t, strings.HasPrefix(versions[0], "[Unreleased]\n"))
	newer := ""
	for i, part := range versions {
		title, body, _ := strings.Cut(part, "\n")
		name := regexp.MustCompile(`^\[(.*?)\]`).FindStringSubmatch(title)
		require.NotNil(t, name, title)
		require.Contains(t, string(text), "\n["+name[1]+"]: https://", "no link for %s", name[1])
		if i > 0 {
			require.Regexp(t, `^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$`, title)
			version := "v" + name[1]
			require.True(t, newer == "" || semver.Compare(version, newer) < 0, "%s is below %s", version, newer)
			newer = version
		}
		seen := map[string]bool{}
		for _, section := range strings.Split(body, "\n### ")[1:] {
			kind, items, _ := strings.Cut(section, "\n")
			require.Contains(t, []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}, kind)
			require.False(t, seen[kind], "%s has %s twice", title, kind)
			seen[kind] = true
			require.True(t, strings.HasPrefix(items, "\n- "), "%s: nothing in %s", title, kind)
			require.NotContains(t, strings.TrimSpace(strings.Split(items, "\n[")[0]), "\n\n-", "%s: a gap in %s", title, kind)
		}
	}
}

func TestLinesOfABlockHaveTheirOrder(t *testing.T) {
	require.True(t, hasLines("\ta\n\tb\n\tc\n", "a\n\nc\n"))
	require.False(t, hasLines("a\nb\n", "b\na\n"))
	require.False(t, hasLines("a\n", "a\na\n"))
	require.Equal(t, []string{"a-silent-tls-peer", "what-it-is", "what-it-is-1"}, anchorsOf("## A silent TLS peer\n\n# What `it` is?\n### What it is\n"))
}

// hasLines says whether all lines of a block that aren't empty are in a text, one after
// another, however far they are indented.
func hasLines(text, block string) bool {
	var wanted []string
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" {
			wanted = append(wanted, line)
		}
	}
	for line := range strings.Lines(text) {
		if len(wanted) > 0 && strings.TrimSpace(line) == wanted[0] {
			wanted = wanted[1:]
		}
	}
	return len(wanted) == 0
}

// documents are all Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	found := files(t, ".md")
	for _, known := range []string{"README.md", "FOUND.md", "CHANGELOG.md", "BENCHMARKS.md", "docs/library.md", "migration/README.md"} {
		require.Contains(t, found, known)
	}
	return found
}

// prose is a document without its blocks of code.
func prose(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	return regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(string(text), "")
}

// anchors are the names by which the headings of a document can be linked to, as GitHub
// makes them.
func anchors(t *testing.T, document string) []string { return anchorsOf(prose(t, document)) }

func anchorsOf(text string) (names []string) {
	seen := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.+?) *$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		name = strings.ReplaceAll(name, " ", "-")
		seen[name]++
		if n := seen[name]; n > 1 {
			name += "-" + string(rune('0'+n-1))
		}
		names = append(names, name)
	}
	return names
}
