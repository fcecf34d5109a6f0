package steps

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration/record"
)

// stoppedMemory holds the same count for good, as long as it may be asked.
type stoppedMemory uint32

func (m stoppedMemory) Readl(ctx context.Context, _ uint64) (uint32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return uint32(m), nil
}

func (m stoppedMemory) Writel(ctx context.Context, _ uint64, _ uint32) error { return ctx.Err() }

// TestStoppedCountIsSeenWhereverTheWaitEnds: the wait for a count that has stopped ends while
// one of the words is being read, and what that read returns says nothing of the guest.
func TestStoppedCountIsSeenWhereverTheWaitEnds(t *testing.T) {
	t.Parallel()
	word := fixtures.Word{Name: "the interval timer", Kind: fixtures.CountsUp, Unit: "ticks"}
	look := &pulseLook{memory: stoppedMemory(327), facts: record.PulseFacts{Side: "destination", Running: true, Status: "running", VCPUs: 1, Arrived: true}}
	look.table = []fixtures.Word{word}
	look.facts.Words = []record.PulseWord{{Name: word.Name, First: 327, Last: 327}}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := look.allMoved(over)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, look.end(t.Context()))
	outcome, witness := look.facts.Judge(fixtures.Program{Table: look.table})
	require.Equal(t, record.Fail, outcome)
	require.Contains(t, witness, "the interval timer has stopped on the destination: 327 ticks on arrival, 327")
}

// TestRateOfATimerIsRightWhereItWasOnce: of a timer that comes twice as often, or half as often,
// no time is right; of one on a host that was busy for a while, one is.
func TestRateOfATimerIsRightWhereItWasOnce(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, c := range []struct {
		ticks  []uint32 // in each half second; it is set to 50
		rate   float64
		right  bool
		bounds record.Bounds
	}{
		{[]uint32{100, 80, 120}, 200, false, record.Between(60, 125)},
		{[]uint32{75, 85}, 160, false, record.Between(60, 125).IfOnTime()},
		{[]uint32{25, 20, 0}, 30, false, record.Between(60, 125).IfOnTime()},
		{[]uint32{4, 100, 48}, 96, true, record.Between(60, 125).IfOnTime()},
		{[]uint32{48, 100}, 96, true, record.Between(60, 125).IfOnTime()},
	} {
		begin := counted{1<<32 - 8, began}
		timer := &pulseTimer{Word: fixtures.Word{Rate: 100}, first: begin, last: begin}
		for i, n := range c.ticks {
			timer.watched(counted{timer.last.times + n, began.Add(time.Duration(i+1) * rateTime)})
		}
		require.InDelta(t, c.rate, timer.rate, 1e-6)
		require.Equal(t, c.right, timer.right)
		require.Equal(t, c.bounds, timer.bounds())
	}
}
