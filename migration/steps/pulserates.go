package steps

import (
	"context"
	"math"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// A timer is watched for rateTime at the least, and the bounds are of its rate then: timers that
// are set anew by their interrupt come late on a guest that gets no CPU, and others make up for
// it then. It is watched anew for up to ratesTimeout where it was too slow or too fast: a host
// that was busy may have CPUs to spare soon. Nothing on a busy host makes it come twice as often
// for all that time.
const (
	rateTime     = pulseTimeout / 2
	ratesTimeout = 4 * pulseTimeout
	leastRate    = 0.6
	mostRate     = 1.25

	beyondBacklog = 2
)

// A pulseTimer is a timer that the guest counts, and whose rate is measured.
type pulseTimer struct {
	fixtures.Word
	count uint32 // when it was last read
	read  time.Time
	rate  float64 // that of all times watched which is next to what it was set to
}

func (t *pulseTimer) bounds() record.Bounds {
	bounds := record.Between(leastRate*t.Rate, mostRate*t.Rate)
	if t.rate < beyondBacklog*t.Rate {
		bounds = bounds.IfOnTime()
	}
	return bounds
}

func (t *pulseTimer) right() bool {
	return t.rate >= leastRate*t.Rate && t.rate <= mostRate*t.Rate
}

// watched takes how often it has come since it was last read.
func (t *pulseTimer) watched(count uint32, now time.Time) {
	rate := float64(count-t.count) / now.Sub(t.read).Seconds()
	if math.Abs(rate-t.Rate) < math.Abs(t.rate-t.Rate) {
		t.rate = rate
	}
	t.count, t.read = count, now
}

// measureRates measures how often the timers come, from when they were first read. What stands
// still is for the check.
func (l *pulseLook) measureRates(ctx context.Context, p *migration.Pair) error {
	var timers []*pulseTimer
	for i, w := range l.table {
		if word := l.facts.Words[i]; w.Rate > 0 && word.Moved(w) {
			timers = append(timers, &pulseTimer{Word: w, count: word.First, read: l.first[i], rate: math.Inf(1)})
		}
	}
	wait, cancel := p.AtMost(ctx, ratesTimeout)
	defer cancel()
	for wrong := len(timers) > 0; wrong && wait.Err() == nil; {
		select {
		case <-time.After(time.Until(timers[0].read.Add(rateTime))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wrong = false
		for _, t := range timers {
			count, err := l.memory.Readl(ctx, t.Address)
			if err != nil {
				return err
			}
			t.watched(count, time.Now())
			wrong = wrong || !t.right()
		}
	}
	for _, t := range timers {
		p.Measure(t.Name+" on the "+l.facts.Side, t.rate, t.Unit+" a second", t.bounds())
	}
	return nil
}
