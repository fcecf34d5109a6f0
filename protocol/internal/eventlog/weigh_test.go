package eventlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

func TestHeavyEntriesAreDroppedBeforeTheirNumberIsReached(t *testing.T) {
	log := eventlog.New[string](100)
	log.Weigh(10, func(s string) int { return len(s) })
	add := func(s string) { log.Append(func(eventlog.Mark) string { return s }) }

	add("aaaa")
	add("bbbb")
	add("cccc") // 12 > 10: the first has to go

	_, err := log.At(t.Context(), 0)
	require.Equal(t, &eventlog.LostError{Lost: 1, Next: 1}, err)
	for place, want := range map[eventlog.Mark]string{1: "bbbb", 2: "cccc"} {
		got, err := log.At(t.Context(), place)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	add("heavier than all that is allowed")
	got, err := log.At(t.Context(), 3)
	require.NoError(t, err, "the newest is kept, whatever it weighs")
	require.Equal(t, "heavier than all that is allowed", got)

	add("d")
	_, err = log.At(t.Context(), 1)
	require.Equal(t, &eventlog.LostError{Lost: 3, Next: 4}, err)
}

func TestWeightAndNumberBoundTogether(t *testing.T) {
	log := eventlog.New[int](4)
	log.Weigh(6, func(n int) int { return n })
	for n := range 100 {
		log.Append(func(eventlog.Mark) int { return n % 4 }) // 0 1 2 3 0 1 2 3
	}
	for place := eventlog.Mark(96); place < 100; place++ {
		got, err := log.At(t.Context(), place)
		require.NoError(t, err)
		require.Equal(t, int(place)%4, got)
	}
}
