package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

func number(n int) func(entry) bool { return func(e entry) bool { return e.number == n } }

func TestFirstFindsWhatCameBeforeAnyoneWaited(t *testing.T) {
	l := filled(8, 5)
	e, err := l.First(t.Context(), 1, number(3))
	require.NoError(t, err)
	require.Equal(t, eventlog.Mark(3), e.place)
	e, err = l.First(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, 1, e.number, "no match means any")
}

// A stale entry with the same name must not satisfy the next wait.
func TestFirstLooksOnlyFromItsPlaceOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(8, 5)
		found := make(chan entry, 1)
		go func() {
			e, _ := l.First(t.Context(), 4, number(3))
			found <- e
		}()
		synctest.Wait()
		require.Empty(t, found)
		add(l, 1, 3)
		require.Equal(t, entry{5, 1, 3}, <-found)
	})
}

func TestFirstDoesNotSkipALoss(t *testing.T) {
	l := filled(4, 10)
	_, err := l.First(t.Context(), 0, number(8))
	lost, ok := errors.AsType[*eventlog.LostError](err)
	require.True(t, ok, "%v", err)
	e, err := l.First(t.Context(), lost.Next, number(8))
	require.NoError(t, err)
	require.Equal(t, 8, e.number)
}

func TestAllGoesOnBehindALoss(t *testing.T) {
	l := filled(4, 10)
	l.End(errors.New("the end"))
	var got []any
	for e, err := range l.All(t.Context(), 3) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, e.number)
		}
	}
	loss := (&eventlog.LostError{Lost: 3, Next: 6}).Error()
	require.Equal(t, []any{loss, 6, 7, 8, 9, "the end"}, got)
}

func TestAllCanBeRangedOverAgain(t *testing.T) {
	l := filled(4, 3)
	all := l.All(t.Context(), 1)
	for range 2 {
		for e, err := range all {
			require.NoError(t, err)
			require.Equal(t, 1, e.number)
			break
		}
	}
}

func TestAnEndedContextStillYieldsWhatHasCome(t *testing.T) {
	l := filled(8, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	seen := 0
	for e, err := range l.All(ctx, 0) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		require.Equal(t, seen, e.number)
		seen++
	}
	require.Equal(t, 3, seen)
}

// A writer that never rests keeps no reader from noticing that its context ended.
func TestACancelledReaderEndsInTheMiddleOfAFlood(t *testing.T) {
	l := filled(64, 1)
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	_, err := l.First(ctx, 0, func(e entry) bool {
		add(l, 0, e.number+1) // so there always is one more
		if steps++; steps == 1000 {
			cancel()
		}
		return false
	})
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, steps, 1002)
}
