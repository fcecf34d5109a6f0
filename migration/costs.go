package migration

import (
	"bytes"
	"time"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// costs are what the QEMUs had used when a migration was asked for.
type costs struct {
	began               time.Time
	source, destination procfs.Usage
	forced              bool
}

// NoteForced notes that the migration has not converged in the time that it had, and is let go
// at any downtime.
func (p *Pair) NoteForced() { p.costs.forced = true }

func usageOf(s *Side) (u procfs.Usage) {
	if s != nil {
		u, _ = procfs.UsageOf(s.PID(), procfs.VCPUThreads) // what can't be read is not measured
	}
	return u
}

func (p *Pair) beginCosts() {
	p.costs = costs{began: time.Now(), source: usageOf(p.Source), destination: usageOf(p.Destination)}
}

// noteCosts gathers what a migration that is completed has cost.
func (p *Pair) noteCosts() {
	c := p.costs
	if c.began.IsZero() {
		return
	}
	p.Facts.Costs = &record.CostFacts{
		Seconds: time.Since(c.began).Seconds(), Source: costOf(c.source, usageOf(p.Source)), Destination: costOf(c.destination, usageOf(p.Destination)),
		Forced: c.forced,
	}
	p.completed = time.Now()
}

func costOf(before, after procfs.Usage) record.SideCost {
	vcpus := after.Named - before.Named
	return record.SideCost{
		VCPUSeconds: vcpus.Seconds(), OtherSeconds: max(0, (after.All - before.All - vcpus).Seconds()), PeakRSS: after.PeakRSS,
	}
}

// beat is a heartbeat's time.
func (p *Pair) beats(s *Side) (all []time.Time) {
	for _, c := range s.Console().Chunks(0) {
		for range bytes.Count(c.Bytes, []byte{p.Program.Heartbeat}) {
			all = append(all, c.Time)
		}
	}
	return all
}

// noteSpeed gathers how fast the guest was before, while and after it was moved.
func (p *Pair) noteSpeed() {
	c := p.Facts.Costs
	if c == nil || p.Program.Heartbeat == 0 || p.Destination == nil {
		return
	}
	source, destination := p.beats(p.Source), p.beats(p.Destination)
	if len(source) == 0 || len(destination) == 0 {
		return
	}
	last, first := source[len(source)-1], destination[0]
	began := p.costs.began
	g := &record.GuestSpeed{
		Before: speed(source, time.Time{}, began), During: speed(source, began, last),
		GapMS: float64(first.Sub(last).Microseconds()) / 1000,
	}
	if g.Before > 0 {
		g.PeriodMS = 1000 / g.Before
	}
	if first.Before(p.completed) {
		g.Postcopy = speed(destination, first, p.completed)
		first = p.completed
	}
	g.After = speed(destination, first, time.Now())
	c.Guest = g
}

// speed is how many heartbeats a second came in a stretch of time, 0 where there were fewer
// than three: the stretch is from the first to the last of them.
func speed(beats []time.Time, from, to time.Time) float64 {
	var n int
	var first, last time.Time
	for _, at := range beats {
		if at.Before(from) || at.After(to) {
			continue
		}
		if n == 0 {
			first = at
		}
		last, n = at, n+1
	}
	const fewest = 3
	if n < fewest || !last.After(first) {
		return 0
	}
	return float64(n-1) / last.Sub(first).Seconds()
}
