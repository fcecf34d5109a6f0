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
	ctx, cancel := c.withTimeout(t.Context(), 10*time.Second, 20*time.Second)
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
	require.NoError(t, cutShort(ctx))
	require.Zero(t, c.cutShort())
}

// TestNothingTakesLongerThanTwelveTimesItsTimeHoweverBusyTheHost: 10 s may become 2 minutes,
// in which drover ran.
func TestNothingTakesLongerThanTwelveTimesItsTimeHoweverBusyTheHost(t *testing.T) {
	r := &run{clock: newClock()}
	r.noteSlowdown(time.Hour)
	require.EqualValues(t, MostStretch, r.slowdown)
	for name, r := range map[string]*run{
		"all of it the clock": {clock: newClock()},
		"also by the boot":    {clock: newClock(), slowdown: 8},
	} {
		t.Run(name, func(t *testing.T) {
			r.clock.rate = leastRate
			ctx, cancel := r.bounded(t.Context(), Step{})
			defer cancel()
			r.clock.pass(time.Hour) // Ctrl-Z
			for range int(MostStretch*StepTimeout/clockTick) - 2 {
				r.clock.pass(clockTick)
			}
			require.NoError(t, ctx.Err())
			for range 2 {
				r.clock.pass(clockTick)
			}
			require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			require.ErrorContains(t, cutShort(ctx), "timed out after 2m0s, the most that a busy host is given (it had 2.4s of ")
			require.Equal(t, 1, r.clock.cutShort())
		})
	}
}

func TestClockCountsWhileDroverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClock()
		defer c.stop()
		began := time.Now()
		ctx, cancel := c.withTimeout(t.Context(), time.Second, MostStretch*time.Second)
		defer cancel()
		<-ctx.Done()
		require.InDelta(t, time.Second, time.Since(began), float64(2*clockTick))
		require.Zero(t, c.stoppedFor())

		ctx, cancel = c.withTimeout(t.Context(), time.Second, MostStretch*time.Second)
		cancel()
		require.Empty(t, c.waits)
		require.Error(t, ctx.Err())
	})
}

func TestClockGoesSlowerBesideOthers(t *testing.T) {
	c := newClock()
	ctx, cancel := c.withTimeout(t.Context(), time.Second, MostStretch*time.Second)
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
