package bench

import (
	"bytes"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// A watch is what is seen of one migration while its steps go on.
type watch struct {
	began, moved        time.Time // when it was asked for, and when both sides called it completed
	source, destination procfs.Cost
	speed               float64 // heartbeats a second before
	rate                float64 // bytes that the guest dirtied a second before; 0 where only its heartbeats tell
	forced              bool    // the downtime limit was lifted
}

var watched migration.Slot[watch]

// vcpuThread is what the names of threads begin with that run a vCPU.
const vcpuThread = "CPU "

// prefix marks a bench's measures in a record.
const prefix = "bench: "

func note(p *migration.Pair, m stats.Metric, value float64) {
	p.Measure(prefix+string(m), value, stats.Info(m).Unit, record.AtLeast(0))
}

// costOf is what a side's QEMU has used; what can't be read is not measured.
func costOf(s *migration.Side) procfs.Cost {
	c, _ := procfs.CostOf(s.PID(), vcpuThread)
	return c
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

// noteBegin keeps what the QEMUs have used and how fast the guest is, as the migration is
// asked for.
func noteBegin(p *migration.Pair) {
	w := watched.Of(p)
	if all := beats(p, p.Source); len(all) > 1 {
		w.speed = float64(len(all)-1) / all[len(all)-1].Sub(all[0]).Seconds()
	}
	w.source, w.destination, w.began = costOf(p.Source), costOf(p.Destination), time.Now()
}

// noteMoved gathers what the migration has cost, once it is over.
func noteMoved(p *migration.Pair) {
	w := watched.Of(p)
	w.moved = time.Now()
	source, destination := costOf(p.Source), costOf(p.Destination)
	note(p, stats.Total, w.moved.Sub(w.began).Seconds())
	note(p, stats.NotConverged, map[bool]float64{false: 0, true: 1}[w.forced])
	for _, side := range []struct {
		before, after procfs.Cost
		own, vcpu     stats.Metric
		rss           stats.Metric
	}{
		{w.source, source, stats.CPUSource, stats.VCPUSource, stats.RSSSource},
		{w.destination, destination, stats.CPUDestination, stats.VCPUDestination, stats.RSSDestination},
	} {
		if side.after.PeakRSS == 0 {
			continue
		}
		vcpus := side.after.Threads - side.before.Threads
		note(p, side.vcpu, vcpus.Seconds())
		note(p, side.own, max(0, side.after.CPU-side.before.CPU-vcpus).Seconds())
		note(p, side.rss, float64(side.after.PeakRSS))
	}
}

// noteGuest gathers how fast the guest was before, meanwhile and afterwards, by its heartbeat.
func noteGuest(p *migration.Pair) {
	w := watched.Of(p)
	source, destination := beats(p, p.Source), beats(p, p.Destination)
	if w.speed == 0 || len(source) == 0 || len(destination) == 0 {
		return
	}
	note(p, stats.GuestSpeed, w.speed)
	if w.rate > 0 {
		note(p, stats.DirtyRate, w.rate)
	} else if p.Program.Count() > 1 {
		note(p, stats.DirtyRate, w.speed*float64(p.Program.HeartbeatRounds)*float64(p.Program.Workload().Len()))
	}
	note(p, stats.DowntimeGuest, destination[0].Sub(source[len(source)-1]).Seconds())
	stop, resume := moments(p.Facts)
	speed := func(m stats.Metric, beats []time.Time, from, to time.Time) {
		const periods = 4 // fewer say little
		if window := to.Sub(from).Seconds(); !from.IsZero() && window*w.speed >= periods {
			note(p, m, float64(within(beats, from, to))/window/w.speed)
		}
	}
	speed(stats.GuestDuring, source, w.began, stop)
	if postcopied(p.Facts) {
		speed(stats.GuestPostcopy, destination, resume, w.moved)
	}
	speed(stats.GuestAfter, destination, w.moved, time.Now())
}

func within(beats []time.Time, from, to time.Time) (n int) {
	for _, at := range beats {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}
