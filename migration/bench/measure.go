package bench

import (
	"bytes"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
)

// prefix marks a bench's measures in a record.
const prefix = "bench: "

func note(p *migration.Pair, m stats.Metric, value float64) {
	p.Measure(prefix+string(m), value, stats.Info(m).Unit, record.AtLeast(0))
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

// noteGuest gathers how fast the guest was before the migration, meanwhile and afterwards, by
// its heartbeat, without a look at it that would disturb it.
func noteGuest(p *migration.Pair) {
	source, destination := beats(p, p.Source), beats(p, p.Destination)
	stop, resume := moments(p.Facts)
	began := p.Facts.Source.Began
	moved := began.Add(time.Duration(p.Facts.Costs.Seconds * float64(time.Second)))
	n := within(source, time.Time{}, began)
	if n < 2 || len(destination) == 0 {
		return
	}
	speed := float64(n-1) / source[n-1].Sub(source[0]).Seconds()
	note(p, stats.GuestSpeed, speed)
	if p.Program.Count() > 1 {
		note(p, stats.DirtyRate, speed*float64(p.Program.HeartbeatRounds)*float64(p.Program.Workload().Len()))
	}
	note(p, stats.DowntimeGuest, destination[0].Sub(source[len(source)-1]).Seconds())
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

func within(beats []time.Time, from, to time.Time) (n int) {
	for _, at := range beats {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}
