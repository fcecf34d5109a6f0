package near

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearNamesAreOfferedNearestFirst(t *testing.T) {
	names := []string{"precopy/unix/plain", "postcopy/plain", "bad_dest", "deprecated"}
	for _, c := range []struct {
		word string
		want []string
	}{
		{"postcopy/plian", []string{"postcopy/plain"}},
		{"bad-dest", []string{"bad_dest"}},
		{"plain", []string{"precopy/unix/plain", "postcopy/plain"}},
		{"BAD_DEST", []string{"bad_dest"}},
		{"nothing like it", []string{}},
		{"", []string{}},
	} {
		require.Equal(t, c.want, Names(c.word, names), "word %q", c.word)
	}
}

func TestLongWordsAndCandidatesAreNotCompared(t *testing.T) {
	long := strings.Repeat("a", Longest)
	require.Equal(t, []string{long}, Names(long, []string{long}))
	require.Empty(t, Names(long+"a", []string{long, long + "a"}))
	require.Equal(t, []string{"a"}, Names("a", []string{long + "a", "a"}))
	require.Empty(t, Names(strings.Repeat("a", 64<<20), []string{"a"}))
}

func TestDistanceCountsSingleLetterChanges(t *testing.T) {
	require.Equal(t, 0, distance("same", "same"))
	require.Equal(t, 1, distance("same", "some"))
	require.Equal(t, 4, distance("", "four"))
	require.Equal(t, 3, distance("kitten", "sitting"))
}
