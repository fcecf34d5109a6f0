package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Question is what somebody wants to migrate.
type Question struct {
	DirtyRate Rate
	Bandwidth int64         // that there is, in bytes a second
	Downtime  time.Duration // that the guest can bear
	MemoryMiB int           // 0 where any will do
}

// A Setting is one that was measured.
type Setting struct {
	CellResult

	Kept     int     // migrations that converged within the downtime
	Downtime Summary // by both sides' events
	Total    Summary
	During   Summary // the guest's speed while it is sent
	Dirtied  Summary // what the guest in fact dirtied before, in bytes a second
}

// Advice answers a question from what was measured.
type Advice struct {
	Keep []Setting // each of whose migrations kept the limit; the one that took least time first
	Not  []Setting // that did not, under what was asked or easier conditions
	// Nearest are the conditions that were measured, where none answers the question.
	Nearest []Cell
}

// reachedRate is how much of the rate in question a guest must have dirtied in fact: the
// slowest tick of a clock is between.
const reachedRate = 0.9

// Advise finds the settings that kept the limit. A cell counts as kept where its guest was
// dirtied no less than in question, over no more bandwidth, with no less RAM; as not kept where
// that was no harder than in question. What was harder, and did not keep it, proves nothing.
func Advise(r *Results, q Question) Advice {
	var a Advice
	for _, c := range r.Cells {
		if len(c.Samples) == 0 {
			continue
		}
		switch s := setting(c, q); {
		case s.Kept == len(c.Samples) && s.noEasier(q):
			a.Keep = append(a.Keep, s)
		case s.Kept < len(c.Samples) && s.noHarder(q):
			a.Not = append(a.Not, s)
		default:
			a.Nearest = append(a.Nearest, c.Cell)
		}
	}
	a.Keep, a.Not = q.nearest(a.Keep), q.nearest(a.Not)
	a.order()
	slices.SortStableFunc(a.Nearest, func(x, y Cell) int { return cmp.Compare(q.distance(x), q.distance(y)) })
	a.Nearest = distinct(a.Nearest)
	a.settle()
	return a
}

// settle drops what is near where something answers.
func (a *Advice) settle() {
	if len(a.Keep)+len(a.Not) > 0 {
		a.Nearest = nil
	}
}

// order puts what took least time, and what was paused for least time, first.
func (a *Advice) order() {
	slices.SortStableFunc(a.Keep, func(x, y Setting) int { return cmp.Compare(x.Total.Median, y.Total.Median) })
	slices.SortStableFunc(a.Not, func(x, y Setting) int { return cmp.Compare(x.Downtime.Median, y.Downtime.Median) })
}

// nearest are the settings, each with the conditions that are nearest to those in question.
func (q Question) nearest(all []Setting) (some []Setting) {
	slices.SortStableFunc(all, func(x, y Setting) int { return cmp.Compare(q.distance(x.Cell), q.distance(y.Cell)) })
	for _, s := range all {
		same := func(o Setting) bool { return o.Method == s.Method && o.DowntimeMS == s.DowntimeMS }
		if !slices.ContainsFunc(some, same) {
			some = append(some, s)
		}
	}
	return some
}

func setting(c CellResult, q Question) Setting {
	s := Setting{
		CellResult: c, Downtime: Summarize(c.Values(Downtime)), Total: Summarize(c.Values(Total)),
		During: Summarize(c.Values(GuestDuring)), Dirtied: Summarize(c.Values(DirtyRate)),
	}
	for _, one := range c.Samples {
		if downtime, measured := one.Values[Downtime]; measured && one.Converged && downtime <= q.Downtime.Seconds() {
			s.Kept++
		}
	}
	return s
}

// noEasier says whether the cell is as hard as the question, or harder.
func (s Setting) noEasier(q Question) bool {
	dirtied := s.DirtyRate
	if s.Dirtied.N > 0 && q.DirtyRate > 0 && s.Dirtied.Median < reachedRate*float64(min(q.DirtyRate, s.DirtyRate)) {
		dirtied = Rate(s.Dirtied.Median) // the guest did not come up to what it was told
	}
	return dirtied >= q.DirtyRate && s.Bandwidth <= q.Bandwidth && (q.MemoryMiB == 0 || s.MemoryMiB >= q.MemoryMiB)
}

// noHarder says whether the cell is as hard as the question, or easier.
func (s Setting) noHarder(q Question) bool {
	return s.DirtyRate <= q.DirtyRate && s.Bandwidth >= q.Bandwidth && (q.MemoryMiB == 0 || s.MemoryMiB <= q.MemoryMiB)
}

// distance is how far a cell's conditions are from those in question.
func (q Question) distance(c Cell) float64 {
	ratio := func(a, b float64) float64 { return math.Abs(math.Log(max(a, 1e3) / max(b, 1e3))) }
	return ratio(float64(c.DirtyRate), float64(q.DirtyRate)) + ratio(float64(c.Bandwidth), float64(q.Bandwidth))
}

// distinct are the first few that differ in more than the method and the limit.
func distinct(all []Cell) (few []Cell) {
	const most = 3
	for _, c := range all {
		c.Method, c.DowntimeMS = "", 0
		if !slices.Contains(few, c) && len(few) < most {
			few = append(few, c)
		}
	}
	return few
}

// String is the evidence: what was set, and what came of it.
func (s Setting) String() string {
	limit := time.Duration(s.DowntimeMS) * time.Millisecond
	text := fmt.Sprintf("%s, downtime-limit %s, max-bandwidth %s, measured at a dirty rate of %s with %s of RAM: ", s.Method, limit, BandwidthText(s.Bandwidth), s.DirtyRate, MemoryText(s.MemoryMiB))
	n := len(s.Samples)
	if converged := s.Converged(); converged < n {
		text += fmt.Sprintf("%d of %d did not converge; ", n-converged, n)
	}
	text += fmt.Sprintf("kept in %d of %d; downtime %s, at most %s; total time %s", s.Kept, n, s.Downtime.Text("s"), Text(s.Downtime.Largest, "s"), s.Total.Text("s"))
	if s.During.N > 0 {
		text += fmt.Sprintf("; the guest ran at %.0f%% of its speed", 100*min(s.During.Median, 1))
	}
	return text
}

// Join adds what other results advise.
func (a *Advice) Join(other Advice) {
	a.Keep, a.Not = append(a.Keep, other.Keep...), append(a.Not, other.Not...)
	a.order()
	a.Nearest = append(a.Nearest, other.Nearest...)
	a.settle()
}
