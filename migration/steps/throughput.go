package steps

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func throughputVerbs() migration.Vocabulary {
	const words = "RATE within FACTOR during STEP"
	during := func(make func(limit, excess float64, until migration.Step) migration.Step) func(a *migration.Args) migration.Step {
		return func(a *migration.Args) migration.Step {
			limit := a.Rate("the limit")
			if !a.Option("within") {
				a.Fail("how far beyond the limit it may be is missing: within 1.2")
			}
			excess := a.Float("how many times the limit it may be")
			if !a.Option("during") {
				a.Fail("the step that is watched is missing: during await passes 1")
			}
			return make(limit, excess, a.Step())
		}
	}
	return migration.Vocabulary{
		{
			Name: "expect throughput", Args: words,
			Doc:     "What goes over the link from the start of the migration, or from now where that was before, until that step is done: at most so many times the limit, and at its best not far below it.",
			Example: "expect throughput 60MB/s within 1.2 during await passes 1",
			Step:    during(ExpectThroughput),
		},
		{
			Name: "expect postcopy-throughput", Args: words,
			Doc:     "What goes over the link from when the guest has moved, or from now where that was before, until that step is done: at most so many times the limit, and at its best not far below it.",
			Example: "expect postcopy-throughput 40MB/s within 1.3 during await link-sent 30MB more",
			Step:    during(ExpectPostcopyThroughput),
		},
		{
			Name: "await throughput", Args: "RATE",
			Doc: "Waits until as much goes over the link as a limit that was lifted did not allow.", Example: "await throughput 75MB/s",
			Step: func(a *migration.Args) migration.Step { return AwaitThroughput(a.Rate("how much")) },
		},
	}
}

const (
	// burst is how often QEMU counts anew what it has sent: at the beginning of each such
	// stretch it sends at once what it may in the whole of it.
	burst = 100 * time.Millisecond
	// window is how long a stretch is in which a throughput is looked at by itself, and in
	// which six bursts may lie.
	window = 5 * burst
)

// A meter measures how fast bytes go over the link towards the destination. It looks once
// in each burst.
type meter struct {
	relay   *Relay
	first   sample
	samples []sample // since a window ago
	best    float64  // bytes a second in the best window: what the sender does where nobody takes its CPU away
}

// A sample is how many bytes had been sent over the link towards the destination by then.
type sample struct {
	at    time.Time
	bytes int64
}

func (r *Relay) sample() sample { return sample{time.Now(), r.Sent()} }

func (s sample) since(earlier sample) float64 {
	return float64(s.bytes-earlier.bytes) / s.at.Sub(earlier.at).Seconds()
}

func (r *Relay) meter() *meter {
	first := r.sample()
	return &meter{relay: r, first: first, samples: []sample{first}}
}

// watch looks until the context ends, or there was a window as fast as is enough.
func (m *meter) watch(ctx context.Context, enough float64) {
	tick := time.NewTicker(burst)
	defer tick.Stop()
	for m.best < enough {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := m.relay.sample()
		if first := m.samples[0]; now.at.Sub(first.at) >= window {
			m.best = max(m.best, now.since(first))
			m.samples = m.samples[1:]
		}
		m.samples = append(m.samples, now)
	}
}

// mean is over all the time until now; the last burst is counted for all of its stretch.
func (m *meter) mean() float64 {
	now := m.relay.sample()
	now.at = now.at.Add(burst)
	return now.since(m.first)
}

// throughputWatched is how long a pass is watched at most: one that takes longer is
// slower than the bounds allow.
const throughputWatched = 3 * time.Second

// ExpectThroughput gathers what goes over the link from the start of the migration, or
// from now where that was before, until that step is done. It may be so many times the
// limit, in bytes a second.
func ExpectThroughput(limit, excess float64, until migration.Step) migration.Step {
	return expectThroughput("throughput on the link", qapi.MigrationActive, limit, excess, until)
}

// ExpectPostcopyThroughput is ExpectThroughput from when the guest has moved.
func ExpectPostcopyThroughput(limit, excess float64, until migration.Step) migration.Step {
	return expectThroughput("throughput on the link after the guest", qapi.MigrationPostcopyActive, limit, excess, until)
}

// expectThroughput ends the steps where it is out of bounds: what comes after would take
// as many times too long. At its best it is no less than most of the limit.
func expectThroughput(what string, from qapi.MigrationStatus, limit, excess float64, until migration.Step) migration.Step {
	expect := onLink(what+" during "+until.Name, func(ctx context.Context, p *migration.Pair, r *Relay) error {
		if _, err := p.Source.AwaitStatus(ctx, from); err != nil {
			return err
		}
		watch, cancel := p.AtMost(ctx, throughputWatched)
		defer cancel()
		meter := r.meter()
		looking, seen := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() { meter.watch(looking, math.Inf(1)) })
		err := until.Do(watch, p)
		mean := meter.mean()
		seen()
		watching.Wait()
		if err != nil && (watch.Err() == nil || ctx.Err() != nil) {
			return err
		}
		best := meter.best
		if best == 0 { // it was shorter than a window
			best = mean
		}
		most, least := limit*excess, limit*0.65
		p.Measure(what, mean, "bytes a second", record.AtMost(most))
		p.Measure(what+", in its best half second", best, "bytes a second", record.AtLeast(least))
		switch {
		case mean > most:
			// What waited on the link while this host was busy comes all at once.
			return &migration.HostError{Cause: fmt.Errorf("%s: %.1f MB a second, expected at most %.0f, where the limit is %.0f", what, mean/MB, most/MB, limit/MB)}
		case best < least/p.Host().Stretch():
			return &migration.HostError{Cause: fmt.Errorf("%s: %.1f MB a second at its best, expected at least %.0f, where the limit is %.0f", what, best/MB, least/MB, limit/MB)}
		}
		return nil
	})
	expect.Phase, expect.Gives = until.Phase, until.Gives
	return expect
}

// AwaitThroughput waits until as much goes over the link, in bytes a second, as a limit
// that was lifted did not allow.
func AwaitThroughput(least float64) migration.Step {
	return onLink(fmt.Sprintf("await throughput %.0fMB/s", least/MB), func(ctx context.Context, p *migration.Pair, r *Relay) error {
		watch, cancel := p.AtMost(ctx, throughputWatched)
		defer cancel()
		meter := r.meter()
		meter.watch(watch, least)
		if meter.best < least {
			return &migration.HostError{Cause: fmt.Errorf("at most %.1f MB a second were sent over the link, expected at least %.0f, as the limit is %.0f bytes a second by now: %w",
				meter.best/MB, least/MB, limit(p, qapi.ParamMaxBandwidth), context.Cause(watch))}
		}
		p.Measure("throughput on the link under the second limit", meter.best, "bytes a second", record.AtLeast(least))
		return nil
	})
}

// noted is the link when its throughput was noted last.
var noted migration.Slot[sample]

// noteThroughput gathers what was sent over the link since the last time, or since the
// migration began, and the limit that there was.
func noteThroughput(p *migration.Pair) {
	began := p.Facts.Source.Began
	r := *relays.Of(p)
	if r == nil || began.IsZero() {
		return
	}
	from, now := sample{at: began}, r.sample()
	last := noted.Of(p)
	if last.at.After(began) {
		from = *last
	}
	p.Facts.Paced = append(p.Facts.Paced, record.Paced{
		Seconds: now.at.Sub(from.at).Seconds(), Bytes: now.bytes - from.bytes, Limit: limit(p, qapi.ParamMaxBandwidth),
	})
	*last = now
}
