package migration

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimeInWhichDroverDidNotRunIsNotHeldAgainstQEMU(t *testing.T) {
	c := newClock()
	cause := &timeoutError{10 * time.Second}
	ctx, cancel := c.withTimeout(t.Context(), 10*time.Second, cause)
	defer cancel()
	for range 900 {
		c.pass(clockTick)
	}
	c.pass(16 * time.Second) // Ctrl-Z, and fg
	require.NoError(t, ctx.Err())
	require.Equal(t, 16*time.Second, c.stoppedFor())
	for range 100 {
		c.pass(clockTick)
	}
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
	require.ErrorContains(t, context.Cause(ctx), "timed out after 10s")
}

func TestClockCountsWhileDroverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClock()
		defer c.stop()
		began := time.Now()
		ctx, cancel := c.withTimeout(t.Context(), time.Second, &timeoutError{time.Second})
		defer cancel()
		<-ctx.Done()
		require.InDelta(t, time.Second, time.Since(began), float64(2*clockTick))
		require.Zero(t, c.stoppedFor())

		ctx, cancel = c.withTimeout(t.Context(), time.Second, &timeoutError{time.Second})
		cancel()
		require.Empty(t, c.waits)
		require.Error(t, ctx.Err())
	})
}

func TestClockGoesSlowerBesideOthers(t *testing.T) {
	c := newClock()
	ctx, cancel := c.withTimeout(t.Context(), time.Second, &timeoutError{time.Second})
	defer cancel()
	c.rate = 0.1
	for range 900 {
		c.pass(clockTick)
	}
	require.NoError(t, ctx.Err(), "after 9 s of which a tenth was the run's")
	for range 110 {
		c.pass(clockTick)
	}
	require.Error(t, ctx.Err())
}
