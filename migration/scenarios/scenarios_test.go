package scenarios_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/scenarios"
	"github.com/drover-vm/drover/migration/steps"
)

// onDisk are the texts of the scenario files, by name.
func onDisk(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, ok := strings.CutSuffix(path, scenarios.Extension)
		if !ok {
			require.Regexp(t, `^([^/]+\.(go|suite)|coverage\.txt)$`, path, "what else is here would be part of the program")
			return nil
		}
		text, err := os.ReadFile(path)
		found[name] = string(text)
		return err
	}))
	return found
}

func TestEveryFileIsAScenarioThatIsNamedAfterIt(t *testing.T) {
	files := onDisk(t)
	require.NotEmpty(t, files)
	for name, text := range files {
		_, err := migration.Parse(name, name+scenarios.Extension, text, steps.Verbs())
		require.NoError(t, err)
	}
	all := scenarios.All()
	require.Len(t, all, len(files))
	for _, s := range all {
		text, ok := files[s.Name]
		require.True(t, ok, s.Name)
		require.Equal(t, text, s.Text, s.Name)
		require.NotEmpty(t, s.Steps, s.Name)
	}
}

// TestEveryScenarioSaysInASentenceWhatHappens, for a reader who has seen no other.
func TestEveryScenarioSaysInASentenceWhatHappens(t *testing.T) {
	docs := map[string]string{}
	for _, s := range scenarios.All() {
		require.Regexp(t, `^([A-Z0-9]|[a-z]+[_-]).*[^.]\.$`, s.Doc, s.Name)
		require.NotRegexp(t, `[.!?] +[A-Z]`, s.Doc, "%s: one sentence", s.Name)
		require.NotRegexp(t, `^The same\b|[,;:] the same (as|but|for|from|in|into|over|through|where|with)\b`, s.Doc, "%s: it stands alone", s.Name)
		require.Empty(t, docs[s.Doc], "%s says what another says", s.Name)
		docs[s.Doc] = s.Name
	}
}

// does is what a scenario file says beside its comments.
func does(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestNoTwoScenariosDoTheSame(t *testing.T) {
	names := map[string]string{}
	for _, s := range scenarios.All() {
		text := does(s.Text)
		require.Empty(t, names[text], "%s does what another does", s.Name)
		names[text] = s.Name
	}
}

// TestSuitesNameScenarios: as many as QEMU's own suites have tests, but for the one that
// two of 10.0's are here.
func TestSuitesNameScenarios(t *testing.T) {
	known := map[string]bool{}
	for _, s := range scenarios.All() {
		known[s.Name] = true
	}
	for version, count := range map[string]int{"7.2": 41, "10.0": 74, "11.1": 82} {
		suite := scenarios.Suite(version)
		require.Len(t, suite, count, version)
		seen := map[string]bool{}
		for _, name := range suite {
			require.True(t, known[name], "the suite of %s has a scenario %s, and there is none", version, name)
			require.False(t, seen[name], "the suite of %s has %s twice", version, name)
			seen[name] = true
		}
	}
	require.Nil(t, scenarios.Suite("8.0"))
	require.Nil(t, scenarios.Suite("../scenarios"))
}
