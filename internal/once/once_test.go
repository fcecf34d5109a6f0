package once_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/once"
)

// answer is what a caller got.
type answer struct {
	value int
	err   error
}

// ask has several callers ask for a key at once.
func ask(t *testing.T, m *once.Map[string, int], n int, compute func(context.Context) (int, error)) []answer {
	t.Helper()
	got := make(chan answer, n)
	for range n {
		go func() {
			v, err := m.Get(t.Context(), "key", compute)
			got <- answer{v, err}
		}()
	}
	var all []answer
	for range n {
		all = append(all, <-got)
	}
	return all
}

func TestCallersShareOneComputation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m once.Map[string, int]
		computed := 0
		compute := func(context.Context) (int, error) {
			computed++
			time.Sleep(time.Second) // the others come meanwhile
			return 7, nil
		}
		for range 2 {
			for _, got := range ask(t, &m, 5, compute) {
				require.Equal(t, answer{7, nil}, got)
			}
		}
		require.Equal(t, 1, computed)
		v, err := m.Get(t.Context(), "another", func(context.Context) (int, error) { return 8, nil })
		require.NoError(t, err)
		require.Equal(t, 8, v)
	})
}

func TestAnErrorIsSharedByThoseWhoWaitAndNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m once.Map[string, int]
		broken, computed := errors.New("broken"), 0
		compute := func(context.Context) (int, error) {
			computed++
			time.Sleep(time.Second)
			return 0, broken
		}
		began := time.Now()
		for _, got := range ask(t, &m, 3, compute) {
			require.ErrorIs(t, got.err, broken)
		}
		require.Equal(t, time.Second, time.Since(began), "they did not wait one after the other")
		require.Equal(t, 1, computed)
		v, err := m.Get(t.Context(), "key", func(context.Context) (int, error) { return 1, nil })
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestACallerThatLeavesTakesOnlyItselfAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m once.Map[string, int]
		leave, enough := errors.New("leaving"), errors.New("enough")
		first, leaveFirst := context.WithCancelCause(t.Context())
		computed := 0
		compute := func(ctx context.Context) (int, error) {
			computed++
			select {
			case <-time.After(time.Minute):
				return 7, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		got := make(chan answer, 3)
		get := func(ctx context.Context) {
			v, err := m.Get(ctx, "key", compute)
			got <- answer{v, err}
		}
		go get(first)
		synctest.Wait()
		go get(t.Context())
		impatient, stop := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer stop()
		go get(impatient)

		left := <-got
		require.ErrorIs(t, left.err, enough)
		require.ErrorIs(t, left.err, context.DeadlineExceeded)
		leaveFirst(leave)
		require.ErrorIs(t, (<-got).err, leave)
		require.Equal(t, answer{7, nil}, <-got, "the one that waits has it computed anew")
		require.Equal(t, 2, computed)
	})
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m once.Map[string, int]
		panics, waits := make(chan any), make(chan answer)
		go func() {
			defer func() { panics <- recover() }()
			_, _ = m.Get(t.Context(), "key", func(context.Context) (int, error) {
				time.Sleep(time.Second)
				panic("broken")
			})
		}()
		synctest.Wait()
		go func() {
			v, err := m.Get(t.Context(), "key", func(context.Context) (int, error) { return 7, nil })
			waits <- answer{v, err}
		}()
		require.Equal(t, "broken", <-panics)
		require.Equal(t, answer{7, nil}, <-waits)
	})
}
