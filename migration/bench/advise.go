package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Wish is what a migration has to do with.
type Wish struct {
	Dirty      Dirty   // that the guest dirties
	Bandwidth  float64 // that there is, bytes a second
	DowntimeMS float64 // that the guest can bear
	MemoryMiB  int     // of its RAM; 0 is any
}

// An Advice is a setting, and what was measured with it.
type Advice struct {
	Point  Point // that was measured: conditions as hard as those of the wish, or harder
	Rounds int
	Kept   bool   // in every round it converged, and kept the downtime
	Why    string // where it did not
	// Medians, but for the downtime, which is the longest of all rounds.
	DowntimeMS, TotalMS, Bytes, Slowdown, Postcopy float64
}

// Advise returns what was measured under conditions as hard as those of the wish, one for each
// method and downtime limit: those that kept the downtime first, and of these the one first
// that slowed the guest down least, and then the fastest. The error says what to measure where
// nothing was as hard.
func (r *Results) Advise(w Wish) ([]Advice, error) {
	type group struct {
		method   string
		downtime int
	}
	best := map[group]Point{}
	for _, p := range r.Points() {
		if p.Dirty.Rate != w.Dirty.Rate && !math.IsInf(p.Dirty.Bytes, 1) && p.Dirty.Bytes != 0 || p.Dirty.Bytes < w.Dirty.Bytes ||
			p.Bandwidth > w.Bandwidth || p.MemoryMiB < w.MemoryMiB || float64(p.DowntimeMS) > w.DowntimeMS {
			continue
		}
		g := group{p.Method, p.DowntimeMS}
		if have, ok := best[g]; !ok || cmp.Or(cmp.Compare(p.Dirty.Bytes, have.Dirty.Bytes), cmp.Compare(have.Bandwidth, p.Bandwidth), cmp.Compare(p.MemoryMiB, have.MemoryMiB)) < 0 {
			best[g] = p
		}
	}
	if len(best) == 0 {
		return nil, fmt.Errorf("bench: nothing was measured that is as hard: run \"drover bench --dirty %s --bandwidth %s/s --downtime %.0fms\"", w.Dirty, short(w.Bandwidth), w.DowntimeMS)
	}
	var all []Advice
	for _, p := range best {
		all = append(all, r.advice(p, w.DowntimeMS))
	}
	slices.SortFunc(all, func(a, b Advice) int {
		if a.Kept != b.Kept {
			if a.Kept {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(hurt(a), hurt(b)), cmp.Compare(a.TotalMS, b.TotalMS), a.Point.compare(b.Point))
	})
	return all, nil
}

// hurt is by how much the guest was slowed down, in steps of a half: less can't be told apart.
func hurt(a Advice) float64 { return math.Round(2 * max(a.Slowdown, a.Postcopy, 1)) }

func (r *Results) advice(p Point, limit float64) Advice {
	all := r.Of(p)
	a := Advice{Point: p, Rounds: len(all), Kept: true}
	for _, m := range all {
		downtime := max(m.DowntimeMS, m.DowntimeEventsMS)
		a.DowntimeMS = max(a.DowntimeMS, downtime)
		switch {
		case !m.Converged:
			a.Kept, a.Why = false, fmt.Sprintf("%d of %d did not converge in %.1f s", len(all)-Converged(all), len(all), float64(r.WithinMS)/1000)
		case downtime > limit && a.Why == "":
			a.Kept, a.Why = false, fmt.Sprintf("the guest was paused for %.0f ms", downtime)
		}
	}
	of := func(name string) float64 { return Summarize(all, metricOf(name)).Median }
	a.TotalMS, a.Bytes = of("total time")/1e6, of("bytes")
	a.Slowdown, a.Postcopy = of("guest's slowdown, migrating"), of("guest's slowdown, postcopy")
	return a
}
