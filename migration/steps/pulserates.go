package steps

import (
	"context"
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
	first, last counted
	right       bool    // it came as often as it was set to for as long as it is watched at once
	rate        float64 // how often then, or else in all the time
}

// counted is how often a timer has come.
type counted struct {
	times uint32
	at    time.Time
}

func (c counted) rateSince(then counted) float64 {
	return float64(c.times-then.times) / c.at.Sub(then.at).Seconds()
}

func (t *pulseTimer) bounds() record.Bounds {
	bounds := record.Between(leastRate*t.Rate, mostRate*t.Rate)
	if t.rate < beyondBacklog*t.Rate {
		bounds = bounds.IfOnTime()
	}
	return bounds
}

// watched takes how often it has come by now.
func (t *pulseTimer) watched(now counted) {
	rate := now.rateSince(t.last)
	switch right := rate >= leastRate*t.Rate && rate <= mostRate*t.Rate; {
	case right:
		t.right, t.rate = true, rate
	case !t.right:
		t.rate = now.rateSince(t.first)
	}
	t.last = now
}

// measureRates measures how often the timers come, from when they were first read. What stands
// still is for the check.
func (l *pulseLook) measureRates(ctx context.Context, p *migration.Pair) error {
	var timers []*pulseTimer
	for i, w := range l.table {
		if word := l.facts.Words[i]; w.Rate > 0 && word.Moved(w) {
			began := counted{word.First, l.first[i]}
			timers = append(timers, &pulseTimer{Word: w, first: began, last: began})
		}
	}
	wait, cancel := p.AtMost(ctx, ratesTimeout)
	defer cancel()
	for wrong := len(timers) > 0; wrong && wait.Err() == nil; {
		select {
		case <-time.After(time.Until(timers[0].last.at.Add(rateTime))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wrong = false
		for _, t := range timers {
			times, err := l.memory.Readl(ctx, t.Address)
			if err != nil {
				return err
			}
			t.watched(counted{times, time.Now()})
			wrong = wrong || !t.right
		}
	}
	for _, t := range timers {
		p.Measure(t.Name+" on the "+l.facts.Side, t.rate, t.Unit+" a second", t.bounds())
	}
	return nil
}
