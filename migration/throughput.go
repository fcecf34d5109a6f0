package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

const (
	// burst is how often QEMU counts anew what it has sent: at the beginning of each such
	// stretch it sends at once what it may in the whole of it.
	burst = 100 * time.Millisecond
	// window is how long a stretch is in which a throughput is looked at by itself, and in
	// which six bursts may lie.
	window = 5 * burst
)

// A pace is how fast bytes go over the link towards the destination, looked at once in
// each burst.
type pace struct {
	tap     *tap
	first   sample
	samples []sample // since a window ago
	best    float64  // bytes a second in the best window: what the sender does where nobody takes its processor away
}

// A sample is how many bytes had gone over the link towards the destination by then.
type sample struct {
	at    time.Time
	bytes int64
}

func (t *tap) sample() sample { return sample{time.Now(), t.sent()} }

func (s sample) since(earlier sample) float64 {
	return float64(s.bytes-earlier.bytes) / s.at.Sub(earlier.at).Seconds()
}

func (t *tap) pace() *pace {
	first := t.sample()
	return &pace{tap: t, first: first, samples: []sample{first}}
}

// watch looks until the context ends, or there was a window as fast as is enough.
func (p *pace) watch(ctx context.Context, enough float64) {
	tick := time.NewTicker(burst)
	defer tick.Stop()
	for p.best < enough {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := p.tap.sample()
		if first := p.samples[0]; now.at.Sub(first.at) >= window {
			p.best = max(p.best, now.since(first))
			p.samples = p.samples[1:]
		}
		p.samples = append(p.samples, now)
	}
}

// mean is over all the time until now; the last burst is counted for all of its stretch.
func (p *pace) mean() float64 {
	now := p.tap.sample()
	now.at = now.at.Add(burst)
	return now.since(p.first)
}

// throughputWatched is how long a pass is watched at most: one that takes longer is
// slower than the bounds allow.
const throughputWatched = 3 * time.Second

// SeeThroughput gathers what goes over the link from the start of the migration, or
// from now where that was before, until that step is done. It may be so many times the
// limit.
func SeeThroughput(limit, excess float64, until Step) Step {
	return Step{Name: "see the throughput, and " + until.Name, Do: func(ctx context.Context, p *Pair) error {
		return p.seeThroughput(ctx, "throughput on the link", qapi.MigrationActive, limit, excess, until)
	}}
}

// SeePostcopyThroughput is SeeThroughput from when the guest has moved.
func SeePostcopyThroughput(limit, excess float64, until Step) Step {
	return Step{Name: "see the throughput of postcopy, and " + until.Name, Do: func(ctx context.Context, p *Pair) error {
		return p.seeThroughput(ctx, "throughput on the link after the guest", qapi.MigrationPostcopyActive, limit, excess, until)
	}}
}

// seeThroughput ends the story where it is out of bounds: what comes after would take
// as many times too long. At its best it is no less than most of the limit.
func (p *Pair) seeThroughput(ctx context.Context, what string, from qapi.MigrationStatus, limit, excess float64, until Step) error {
	if err := p.Source.AwaitStatus(ctx, from); err != nil {
		return err
	}
	watch, cancel := p.run.atMost(ctx, throughputWatched)
	defer cancel()
	pace := p.tap.pace()
	looking, seen := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { pace.watch(looking, math.Inf(1)) })
	err := until.Do(watch, p)
	mean := pace.mean()
	seen()
	watching.Wait()
	if err != nil && (watch.Err() == nil || ctx.Err() != nil) {
		return err
	}
	best := pace.best
	if best == 0 { // it was shorter than a window
		best = mean
	}
	most, least := limit*excess, limit*0.65
	p.measure(what, mean, "bytes a second", record.AtMost(most))
	p.measure(what+", in its best half second", best, "bytes a second", record.AtLeast(least))
	switch {
	case mean > most:
		return fmt.Errorf("%s: %.1f MB a second, expected at most %.0f, where the limit is %.0f", what, mean/MB, most/MB, limit/MB)
	case best < least:
		return fmt.Errorf("%s: %.1f MB a second at its best, expected at least %.0f, where the limit is %.0f", what, best/MB, least/MB, limit/MB)
	}
	return nil
}

// AwaitThroughput waits until as much goes over the link as a limit that was lifted did
// not allow.
func AwaitThroughput(least float64) Step {
	return Step{Name: fmt.Sprintf("await %.0f MB a second on the link", least/MB), Do: func(ctx context.Context, p *Pair) error {
		watch, cancel := p.run.atMost(ctx, throughputWatched)
		defer cancel()
		pace := p.tap.pace()
		pace.watch(watch, least)
		if pace.best < least {
			return fmt.Errorf("at most %.1f MB a second have gone over the link, expected at least %.0f, as the limit is %s bytes a second by now: %w",
				pace.best/MB, least/MB, p.Facts.Parameters[string(MaxBandwidth)], context.Cause(watch))
		}
		p.measure("throughput on the link under the second limit", pace.best, "bytes a second", record.AtLeast(least))
		return nil
	}}
}

// noteThroughput gathers what has gone over the link since the last time, or since the
// migration began, and the limit that there was.
func (p *Pair) noteThroughput() {
	began := p.Facts.Source.Began
	if p.tap == nil || began.IsZero() {
		return
	}
	from, now := sample{at: began}, p.tap.sample()
	if p.paced.at.After(began) {
		from = p.paced
	}
	link := record.Paced{Seconds: now.at.Sub(from.at).Seconds(), Bytes: now.bytes - from.bytes}
	_ = json.Unmarshal(p.Facts.Parameters[string(MaxBandwidth)], &link.Limit)
	p.Facts.Paced = append(p.Facts.Paced, link)
	p.paced = now
}
