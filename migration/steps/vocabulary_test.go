package steps_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/scenarios"
	"github.com/drover-vm/drover/migration/steps"
)

// unused are the verbs that no scenario of the catalogue uses, each with the reason why it
// is there.
var unused = map[string]string{
	"await heartbeats":  "for the scenarios that drover bench writes",
	"await convergence": "for the scenarios that drover bench writes",
	"reset link":        "beside cut link; the scenarios reset at a byte (fault reset)",
}

// verbOf is the name of the verb that a line begins with: the longest one that fits.
func verbOf(line string, v migration.Vocabulary) (name string) {
	for _, side := range migration.OnSource {
		line = strings.TrimPrefix(line, side+": ")
	}
	for _, verb := range v {
		if (line == verb.Name || strings.HasPrefix(line, verb.Name+" ")) && len(verb.Name) > len(name) {
			name = verb.Name
		}
	}
	return name
}

// withWants is the line behind those that it wants before it, and that these want.
func withWants(t *testing.T, line string, v migration.Vocabulary) (lines []string) {
	t.Helper()
	s, _ := migration.Parse("it", "it", line, v) // what it wants is not there
	require.Len(t, s.Steps, 1, line)
	for _, want := range s.Steps[0].Wants {
		if i := slices.IndexFunc(v, func(verb migration.Verb) bool { return verb.Name == want }); i >= 0 {
			want = v[i].Example
		}
		for _, before := range withWants(t, want, v) {
			if !slices.Contains(lines, before) {
				lines = append(lines, before)
			}
		}
	}
	return append(lines, line)
}

// TestEveryVerbIsNamedInAFewWords, which no other has.
func TestEveryVerbIsNamedInAFewWords(t *testing.T) {
	names := map[string]bool{}
	for _, verb := range steps.Verbs() {
		words := strings.Fields(verb.Name)
		require.Contains(t, []int{1, 2, 3}, len(words), verb.Name)
		require.Equal(t, strings.Join(words, " "), verb.Name)
		require.Regexp(t, `^[a-z]`, verb.Name)
		require.False(t, names[verb.Name], "there are two verbs %q", verb.Name)
		names[verb.Name] = true
	}
}

// TestEveryVerbSaysInASentenceWhatItDoes, for a reader who looks at no other.
func TestEveryVerbSaysInASentenceWhatItDoes(t *testing.T) {
	for _, verb := range steps.Verbs() {
		require.Regexp(t, `^[A-Z0-9].*[^.]\.$`, verb.Doc, verb.Name)
		require.NotRegexp(t, `[.!?] +[A-Z]`, verb.Doc, "%s: one sentence", verb.Name)
		require.NotRegexp(t, `^The same\b|[,;:] the same (as|but|for|from|in|into|over|through|where|with)\b`, verb.Doc, "%s: it must be understood alone", verb.Name)
	}
}

// TestEveryVerbHasAnExampleThatParses, and makes that verb's step, behind the lines that
// the step wants before it.
func TestEveryVerbHasAnExampleThatParses(t *testing.T) {
	all := steps.Verbs()
	for _, verb := range all {
		require.Equal(t, verb.Name, verbOf(verb.Example, all), "the example %q is one of another verb", verb.Example)
		require.True(t, (verb.Step == nil) != (verb.Declare == nil), "%s is a step, or says how a scenario is", verb.Name)
		lines := []string{verb.Example, "boot"}
		switch {
		case verb.Last:
			lines = []string{"boot", "suspend", verb.Example}
		case verb.Declare == nil:
			lines = withWants(t, verb.Example, all)
		}
		s, err := migration.Parse("it", "it", strings.Join(lines, "\n"), all)
		require.NoError(t, err, "%s: %s", verb.Name, strings.Join(lines, " / "))
		if verb.Step != nil {
			last := s.Steps[len(s.Steps)-1]
			require.Equal(t, verb.Example, last.Name)
			require.Contains(t, last.Gives, verb.Name)
		}
	}
}

// TestNoVerbTakesALineThatIsTooLong: what a verb doesn't take is refused, and the error
// says how the line is written.
func TestNoVerbTakesALineThatIsTooLong(t *testing.T) {
	all := steps.Verbs()
	for _, verb := range all {
		if strings.HasSuffix(verb.Args, "...") || strings.HasSuffix(verb.Args, "...]") || strings.Contains(verb.Args, "STEP") {
			continue
		}
		_, err := migration.Parse("it", "it", verb.Example+" {} {} {}", all)
		require.ErrorContains(t, err, "write: "+strings.TrimSpace(verb.Name+" "+verb.Args), verb.Name)
	}
}

// TestEveryVerbIsUsed by a scenario of the catalogue: what nobody uses, nobody tries.
func TestEveryVerbIsUsed(t *testing.T) {
	all := steps.Verbs()
	used := map[string]bool{}
	for _, s := range scenarios.All() {
		for line := range strings.Lines(s.Text) {
			line = strings.TrimSpace(line)
			used[verbOf(line, all)] = true
			if _, during, ok := strings.Cut(line, " during "); ok {
				used[verbOf(during, all)] = true
			}
		}
	}
	for _, verb := range all {
		_, excused := unused[verb.Name]
		require.NotEqual(t, excused, used[verb.Name], "%s: used by a scenario, or named in the list with the reason why not", verb.Name)
	}
	for name := range unused {
		require.Equal(t, name, verbOf(name, all), "there is no such verb")
	}
}
