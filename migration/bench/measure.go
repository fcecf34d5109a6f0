package bench

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
)

// prefix marks a bench's measures in a record.
const prefix = "bench: "

func note(p *migration.Pair, m stats.Metric, value float64) {
	p.Measure(prefix+string(m), value, stats.Info(m).Unit, record.AtLeast(0))
}

// A count is how much work a guest had done at a time.
type count struct {
	at   time.Time
	work float64
}

// rate is the work a second from one count to another, false where the time between is so
// short that it would say little.
func (c count) rate(next count) (float64, bool) {
	const least = 20 * time.Millisecond
	took := next.at.Sub(c.at)
	return (next.work - c.work) / took.Seconds(), !c.at.IsZero() && took >= least && next.work >= c.work
}

// watch is what a guest that counts its pages had done: at boot, as the migration was asked
// for, and once it had arrived.
type watch struct{ boot, began, moved count }

var watched migration.Slot[watch]

// pagesCounter is where the program counts the pages that it writes, false where it doesn't.
func pagesCounter(p fixtures.Program) (address uint64, ok bool) {
	for _, w := range p.Table {
		if w.Unit == "pages" {
			return w.Address, true
		}
	}
	return 0, false
}

// pages is how many pages the guest has written, by its own count: a look that takes QEMU's
// main loop some microseconds.
func pages(ctx context.Context, p *migration.Pair, s *migration.Side) (count, error) {
	address, counts := pagesCounter(p.Program)
	if !counts {
		return count{}, nil
	}
	n, err := s.QTest().Readl(ctx, address)
	return count{time.Now(), float64(n)}, err
}

func lookBefore(ctx context.Context, p *migration.Pair) (err error) {
	watched.Of(p).boot, err = pages(ctx, p, p.Source)
	return err
}

func lookAtBegin(ctx context.Context, p *migration.Pair) (err error) {
	watched.Of(p).began, err = pages(ctx, p, p.Source)
	return err
}

func lookMoved(ctx context.Context, p *migration.Pair) (err error) {
	watched.Of(p).moved, err = pages(ctx, p, p.Destination)
	return err
}

// noteGuest gathers how fast the guest was before the migration, meanwhile and afterwards, and
// how long its console was silent.
func noteGuest(ctx context.Context, p *migration.Pair) error {
	if p.Destination == nil || p.Facts.Costs == nil {
		return errors.New("nothing has been measured of a migration")
	}
	p.Source.Facts.Events, p.Source.Facts.EventsLost = p.Source.Events(ctx)
	p.Destination.Facts.Events, p.Destination.Facts.EventsLost = p.Destination.Events(ctx)
	source, destination := beats(p, p.Source), beats(p, p.Destination)
	if len(source) > 0 && len(destination) > 0 {
		note(p, stats.DowntimeGuest, destination[0].Sub(source[len(source)-1]).Seconds())
	}
	if _, counts := pagesCounter(p.Program); counts {
		return notePages(ctx, p)
	}
	noteBeats(p, source, destination)
	return nil
}

// notePages takes the guest's speed from the pages that it counts. Those that it had written
// when it was paused are in the source's memory, which nobody writes any more.
func notePages(ctx context.Context, p *migration.Pair) error {
	w := watched.Of(p)
	paused, err := pages(ctx, p, p.Source)
	if err != nil {
		return err
	}
	end, err := pages(ctx, p, p.Destination)
	if err != nil {
		return err
	}
	before, known := w.boot.rate(w.began)
	if !known || before <= 0 {
		return nil
	}
	note(p, stats.GuestSpeed, before)
	note(p, stats.DirtyRate, before*float64(p.Program.Stride))
	stop, resume := moments(p.Facts)
	ratio := func(m stats.Metric, from, to count) {
		if rate, known := from.rate(to); known {
			note(p, m, rate/before)
		}
	}
	ratio(stats.GuestDuring, w.began, count{stop, paused.work})
	if postcopied(p.Facts) {
		ratio(stats.GuestPostcopy, count{resume, paused.work}, w.moved)
	}
	ratio(stats.GuestAfter, w.moved, end)
	return nil
}

// noteBeats takes the guest's speed from its heartbeats, of which one comes after so many
// rounds of work.
func noteBeats(p *migration.Pair, source, destination []time.Time) {
	stop, resume := moments(p.Facts)
	began := p.Facts.Source.Began
	moved := began.Add(time.Duration(p.Facts.Costs.Seconds * float64(time.Second)))
	n := within(source, time.Time{}, began)
	if n < 2 || len(destination) == 0 {
		return
	}
	speed := float64(n-1) / source[n-1].Sub(source[0]).Seconds()
	work := float64(p.Program.HeartbeatRounds * p.Program.Count())
	note(p, stats.GuestSpeed, speed*work)
	if p.Program.Count() > 1 {
		note(p, stats.DirtyRate, speed*work*float64(p.Program.Stride))
	}
	ratio := func(m stats.Metric, beats []time.Time, from, to time.Time) {
		const periods = 4 // fewer say little
		if window := to.Sub(from).Seconds(); !from.IsZero() && window*speed >= periods {
			note(p, m, float64(within(beats, from, to))/window/speed)
		}
	}
	ratio(stats.GuestDuring, source, began, stop)
	if postcopied(p.Facts) {
		ratio(stats.GuestPostcopy, destination, resume, moved)
	}
	ratio(stats.GuestAfter, destination, moved, time.Now())
}

// beats are when the guest's heartbeats came on a side's console.
func beats(p *migration.Pair, s *migration.Side) (all []time.Time) {
	for _, c := range s.Console().Chunks(0) {
		for range bytes.Count(c.Bytes, []byte{p.Program.Heartbeat}) {
			all = append(all, c.Time)
		}
	}
	return all
}

func within(beats []time.Time, from, to time.Time) (n int) {
	for _, at := range beats {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}
