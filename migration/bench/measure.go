package bench

import (
	"encoding/json"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// A Measurement is what one migration cost.
type Measurement struct {
	Point Point
	Round int
	// Converged says that it kept its downtime limit within the time that it had. The
	// downtime of one that did not is that of a migration which was let go.
	Converged bool
	// Downtime in milliseconds: as the source reports it, between STOP on the source and
	// RESUME on the destination, and as the guest's heartbeat saw it, less the usual time
	// between two.
	DowntimeMS, DowntimeEventsMS, DowntimeGuestMS float64
	TotalMS                                       float64
	Bytes                                         float64
	Throughput                                    float64 // bytes a second
	Passes                                        float64 // dirty bitmap syncs
	// CPU time in seconds, of the threads that run the guest and of all others, while it was
	// migrated.
	SourceVCPU, SourceOther, DestinationVCPU, DestinationOther float64
	// Speed is the guest's before, in heartbeats a second. Slowdown is by how many times it
	// was slower while it was sent, and Postcopy while pages were fetched; 0 where that was
	// too short to tell.
	Speed, Slowdown, Postcopy float64
	SourceRSS, DestinationRSS float64 // the most memory that was resident, bytes
	HostSlowdown              float64 // by how much others made the host slower: 1 is a quiet one
	DirtyPagesRate            float64 // the most that QEMU measured, pages a second
}

// Measured takes a migration's numbers from its record; false where it has none.
func Measured(p Point, round int, r *record.Record) (m Measurement, ok bool) {
	if r == nil || r.Migration == nil || r.Costs == nil || r.Source == nil || r.Destination == nil {
		return m, false
	}
	c := r.Costs
	m = Measurement{
		Point: p, Round: round, Converged: !c.Forced, DowntimeMS: float64(r.Migration.DowntimeMS), TotalMS: float64(r.Migration.TotalMS),
		Bytes: float64(r.Migration.Bytes), Passes: float64(r.Migration.Passes),
		SourceVCPU: c.Source.VCPUSeconds, SourceOther: c.Source.OtherSeconds, SourceRSS: float64(c.Source.PeakRSS),
		DestinationVCPU: c.Destination.VCPUSeconds, DestinationOther: c.Destination.OtherSeconds, DestinationRSS: float64(c.Destination.PeakRSS),
	}
	if m.TotalMS > 0 {
		m.Throughput = m.Bytes / m.TotalMS * 1000
	}
	if stop, resume := last(r.Source.Events, "STOP"), last(r.Destination.Events, "RESUME"); !stop.IsZero() && resume.After(stop) {
		m.DowntimeEventsMS = float64(resume.Sub(stop).Microseconds()) / 1000
	}
	if g := c.Guest; g != nil {
		m.Speed, m.DowntimeGuestMS = g.Before, max(0, g.GapMS-g.PeriodMS)
		m.Slowdown, m.Postcopy = ratio(g.Before, g.During), ratio(g.Before, g.Postcopy)
	}
	if r.Host != nil {
		m.HostSlowdown = r.Host.Slowdown
	}
	for _, s := range r.Samples {
		m.DirtyPagesRate = max(m.DirtyPagesRate, float64(s.DirtyRate))
	}
	var final struct {
		RAM struct {
			Rate float64 `json:"dirty-pages-rate"`
		} `json:"ram"`
	}
	if json.Unmarshal(r.Migration.Source, &final) == nil {
		m.DirtyPagesRate = max(m.DirtyPagesRate, final.RAM.Rate)
	}
	return m, true
}

func ratio(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

func last(events []record.EventFacts, name string) (at time.Time) {
	for _, e := range events {
		if e.Name == name {
			at = e.Time
		}
	}
	return at
}

// A Metric is one of a measurement's numbers.
type Metric struct {
	Name string // as tables have it
	Unit string // as the benchmark format has it
	// Higher says that more is better; else less is.
	Higher bool
	Of     func(m Measurement) (value float64, ok bool) // false where it was not measured
	// Clocked says that it is a time on the host's clock, which others on the host stretch.
	Clocked bool
	// Told says that it is told, and no reason to call a run worse: it follows from others.
	Told bool
	// Least is what is nothing beside it: a resolution.
	Least float64
}

// Metrics are all there are, in the order in which tables have them.
func Metrics() []Metric {
	some := func(of func(m Measurement) float64) func(Measurement) (float64, bool) {
		return func(m Measurement) (float64, bool) { value := of(m); return value, value > 0 }
	}
	return []Metric{
		{Name: "total time", Unit: "ns/op", Of: converged(func(m Measurement) float64 { return m.TotalMS * 1e6 }), Clocked: true, Least: 1e6},
		{Name: "downtime, reported", Unit: "downtime-ns", Of: converged(func(m Measurement) float64 { return m.DowntimeMS * 1e6 }), Clocked: true, Least: 5e6},
		{Name: "downtime, by events", Unit: "events-downtime-ns", Of: converged(func(m Measurement) float64 { return m.DowntimeEventsMS * 1e6 }), Clocked: true, Least: 5e6},
		{Name: "downtime, of the guest", Unit: "guest-downtime-ns", Of: converged(func(m Measurement) float64 { return m.DowntimeGuestMS * 1e6 }), Clocked: true, Told: true, Least: 20e6},
		{Name: "bytes", Unit: "sent-B", Of: converged(func(m Measurement) float64 { return m.Bytes }), Least: 1e6},
		{Name: "throughput", Unit: "B/s", Of: some(func(m Measurement) float64 { return m.Throughput }), Higher: true, Clocked: true, Told: true},
		{Name: "passes", Unit: "passes", Of: converged(func(m Measurement) float64 { return m.Passes }), Told: true, Least: 1},
		{Name: "source's CPU time", Unit: "src-cpu-ns", Of: converged(func(m Measurement) float64 { return m.SourceOther * 1e9 }), Least: 5e6},
		{Name: "destination's CPU time", Unit: "dst-cpu-ns", Of: converged(func(m Measurement) float64 { return m.DestinationOther * 1e9 }), Least: 5e6},
		{Name: "guest's vCPU time", Unit: "vcpu-ns", Of: converged(func(m Measurement) float64 { return (m.SourceVCPU + m.DestinationVCPU) * 1e9 }), Told: true},
		{Name: "guest's speed before", Unit: "beats/s", Of: some(func(m Measurement) float64 { return m.Speed }), Higher: true, Clocked: true},
		{Name: "guest's slowdown, migrating", Unit: "slowdown-x", Of: some(func(m Measurement) float64 { return m.Slowdown })},
		{Name: "guest's slowdown, postcopy", Unit: "postcopy-slowdown-x", Of: some(func(m Measurement) float64 { return m.Postcopy })},
		{Name: "source's peak RSS", Unit: "src-rss-B", Of: some(func(m Measurement) float64 { return m.SourceRSS })},
		{Name: "destination's peak RSS", Unit: "dst-rss-B", Of: some(func(m Measurement) float64 { return m.DestinationRSS })},
	}
}

// converged leaves out what was let go at any downtime: how long it took, and what it sent,
// says how long it was given.
func converged(of func(m Measurement) float64) func(Measurement) (float64, bool) {
	return func(m Measurement) (float64, bool) { return of(m), m.Converged }
}
