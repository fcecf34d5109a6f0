package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/drover-vm/drover/migration/scenarios"
)

func TestPatternIsANameOrItsBeginning(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"precopy", "precopy/unix/plain", true},
		{"precopy/", "precopy/unix/plain", true},
		{"precopy/unix/plain", "precopy/unix/plain", true},
		{"pre", "precopy/unix/plain", false},
		{"unix", "precopy/unix/plain", false},
		{"*unix", "precopy/unix/plain", true},
		{"*/plain", "precopy/unix/plain", true},
		{"p*n", "precopy/unix/plain", true},
		{"p*y", "precopy/unix/plain", true},
		{"p*uni", "precopy/unix/plain", false},
		{"*aa", "baaa", true},
		{"*", "anything", true},
		{"", "anything", false},
		{"a.c", "abc", false},
	} {
		require.Equal(t, c.want, matches(c.pattern, c.name), "%q, %q", c.pattern, c.name)
	}
}

// TestPatternIsTheRegularExpressionThatItLooksLike, without the time that one takes.
func TestPatternIsTheRegularExpressionThatItLooksLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*/]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab/]{0,8}`).Draw(t, "name")
		words := strings.Split(strings.Trim(pattern, "/"), "*")
		same := regexp.MustCompile(`^` + strings.Join(words, `.*`) + `(/|$)`)
		require.Equal(t, same.MatchString(name), matches(pattern, name))
	})
}

func TestLongPatternIsAnErrorAtOnce(t *testing.T) {
	jobs := jobsOf(scenarios.All(), []string{"x86_64"})
	_, err := choose(jobs, "", []string{strings.Repeat("A", 1<<20)})
	require.EqualError(t, err, `a pattern must not be longer than 1000 bytes, as "`+strings.Repeat("A", 100)+`"… (1048576 bytes) is`)
	_, err = choose(jobs, "", []string{strings.Repeat("*a", 500)})
	require.ErrorIs(t, err, errNothing)
	all, err := choose(jobs, "", []string{strings.Repeat("*", 1000)})
	require.NoError(t, err)
	require.Len(t, all, len(scenarios.All()))
}
