package stats

import (
	"cmp"
	"fmt"
	"time"
)

// A Cell is one point of a bench's axes: a way to migrate, and what it has to cope with.
type Cell struct {
	Method     string // as package bench calls it: precopy, multifd-4
	DirtyRate  Rate   // that the guest was told
	Bandwidth  int64  // max-bandwidth, in bytes a second
	MemoryMiB  int    // RAM of the guest
	DowntimeMS int64  // downtime-limit
}

// String has the values of all axes, in a fixed order.
func (c Cell) String() string {
	return fmt.Sprintf("%s, dirty rate %s, bandwidth %s, memory %s, downtime limit %s", c.Method, c.DirtyRate,
		BandwidthText(c.Bandwidth), MemoryText(c.MemoryMiB), limitText(c.DowntimeMS))
}

// compareCells orders cells for a table: by all that they have to cope with, the method last.
func compareCells(a, b Cell) int {
	return cmp.Or(cmp.Compare(a.MemoryMiB, b.MemoryMiB), cmp.Compare(a.Bandwidth, b.Bandwidth), cmp.Compare(a.DowntimeMS, b.DowntimeMS),
		cmp.Compare(a.DirtyRate, b.DirtyRate))
}

// An axis is one of a cell's.
type axis struct {
	name string
	text func(c Cell) string
	copy func(to *Cell, from Cell)
}

func axes() []axis {
	return []axis{
		{"method", func(c Cell) string { return c.Method }, func(to *Cell, from Cell) { to.Method = from.Method }},
		{"dirty rate", func(c Cell) string { return c.DirtyRate.String() }, func(to *Cell, from Cell) { to.DirtyRate = from.DirtyRate }},
		{"bandwidth", func(c Cell) string { return BandwidthText(c.Bandwidth) }, func(to *Cell, from Cell) { to.Bandwidth = from.Bandwidth }},
		{"memory", func(c Cell) string { return MemoryText(c.MemoryMiB) }, func(to *Cell, from Cell) { to.MemoryMiB = from.MemoryMiB }},
		{"downtime limit", func(c Cell) string { return limitText(c.DowntimeMS) }, func(to *Cell, from Cell) { to.DowntimeMS = from.DowntimeMS }},
	}
}

// only is the one value that all measured cells have on the axis, "" where there are several.
func (a axis) only(r *Results) (value string) {
	for _, c := range r.Cells {
		if len(c.Samples) == 0 {
			continue
		}
		text := a.text(c.Cell)
		if value != "" && value != text {
			return ""
		}
		value = text
	}
	return value
}

func limitText(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

// A Sample is what one migration of a cell cost.
type Sample struct {
	// Converged says that QEMU switched over by itself in the time that it had. Where it did
	// not, the downtime limit was lifted: the downtime is what the guest would have had to bear.
	Converged bool
	Values    map[Metric]float64 // in each metric's unit; one that could not be measured is not there
}

// A CellResult is all that was measured of one cell.
type CellResult struct {
	Cell

	Samples []Sample `json:",omitempty"` // in the order in which they were taken
	// Skipped says what this host or this QEMU lacks for the method, and Failures how
	// migrations ended that failed.
	Skipped  string   `json:",omitempty"`
	Failures []string `json:",omitempty"`
}

// Converged is how many of the migrations did.
func (c CellResult) Converged() (n int) {
	for _, s := range c.Samples {
		if s.Converged {
			n++
		}
	}
	return n
}

// Values are those of one metric, in the order of the samples, without those in which it
// could not be measured. Convergence, as a metric, is 0 for each that converged, else 1.
func (c CellResult) Values(m Metric) (all []float64) {
	for _, s := range c.Samples {
		if m == NotConverged {
			all = append(all, map[bool]float64{true: 0, false: 1}[s.Converged])
		} else if x, ok := s.Values[m]; ok {
			all = append(all, x)
		}
	}
	return all
}
