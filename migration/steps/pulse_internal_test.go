package steps

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration"
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

// TestRatesOfTimersAreMeasuredWhereTheyWereWatchedForLong: of a timer that comes twice as often
// the rate is out of its bounds, whatever the host; one that stands still is the check's.
func TestRatesOfTimersAreMeasuredWhereTheyWereWatchedForLong(t *testing.T) {
	t.Parallel()
	began := time.Now()
	ended := began.Add(2 * time.Second)
	timer := fixtures.Word{Name: "the timer", Kind: fixtures.CountsUp, Unit: "ticks", Rate: 100}
	for _, c := range []struct {
		alarm bool
		ticks uint32
		want  []record.Measure
	}{
		{true, 400, []record.Measure{{What: "the timer on the destination", Value: 200, Unit: "ticks a second", Bounds: record.Between(60, 125)}}},
		{true, 300, []record.Measure{{What: "the timer on the destination", Value: 150, Unit: "ticks a second", Bounds: record.Between(60, 125).IfOnTime()}}},
		{true, 0, nil},
		{false, 400, nil},
	} {
		look := &pulseLook{
			facts: record.PulseFacts{Side: "destination", Slow: c.alarm, Words: []record.PulseWord{{Name: timer.Name, First: 1<<32 - 8, Last: c.ticks - 8}}},
			table: []fixtures.Word{timer}, first: []time.Time{began}, last: []time.Time{ended},
		}
		p := &migration.Pair{Facts: &record.Record{}}
		look.measureRates(p)
		require.Equal(t, c.want, p.Facts.Measures)
	}
}
