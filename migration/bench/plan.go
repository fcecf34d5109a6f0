package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// A Plan says what is measured.
type Plan struct {
	Arch    string // the target; empty means x86_64
	Cells   []stats.Cell
	Repeats int // of each cell, at least 1
	// WarmUp is how many migrations of each method come before all, and are not counted: the
	// first ones find cold caches.
	WarmUp  int
	MaxTime time.Duration // that a migration has to converge
	Seed    uint64        // of the order; the same order comes of the same seed
	Proof   bool          // that all memory and devices are compared after each migration
}

// Most of what a plan may have: more would not end within days.
const (
	mostRepeats = 1000
	mostRuns    = 100_000
	mostMaxTime = time.Hour
)

// Check says why the plan can't be done.
func (p Plan) Check() error {
	switch {
	case len(p.Cells) == 0:
		return errors.New("there is nothing to measure: the plan has no cell")
	case p.Repeats < 1 || p.Repeats > mostRepeats:
		return fmt.Errorf("each cell is measured 1 to %d times, not %d", mostRepeats, p.Repeats)
	case p.WarmUp < 0 || p.WarmUp > mostRepeats:
		return fmt.Errorf("the warm-up is 0 to %d migrations of each method, not %d", mostRepeats, p.WarmUp)
	case len(p.Cells)*p.Repeats > mostRuns:
		return fmt.Errorf("%d cells, %d times each, are more than %d migrations", len(p.Cells), p.Repeats, mostRuns)
	case p.MaxTime <= 0 || p.MaxTime > mostMaxTime:
		return fmt.Errorf("a migration has some time to converge, up to %s, not %s", mostMaxTime, p.MaxTime)
	}
	for _, c := range p.Cells {
		if _, err := p.Scenario(c); err != nil {
			return err
		}
	}
	return nil
}

// A Turn is one migration of a plan.
type Turn struct {
	stats.Cell

	WarmUp bool // its sample is dropped
}

// Order is all migrations in the order in which they are done: the warm-up, then rounds, in
// each of which every cell comes once, shuffled. So what changes on the host in the course of
// a bench changes all cells alike, and an end before the end leaves each as often measured.
func (p Plan) Order() (turns []Turn) {
	random := rand.New(rand.NewPCG(p.Seed, 0)) //nolint:gosec // an order is no secret
	warmed := map[string]bool{}
	for _, c := range p.Cells {
		if !warmed[c.Method] {
			warmed[c.Method] = true
			turns = append(turns, slices.Repeat([]Turn{{Cell: c, WarmUp: true}}, p.WarmUp)...)
		}
	}
	for range p.Repeats {
		round := slices.Clone(p.Cells)
		random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		for _, c := range round {
			turns = append(turns, Turn{Cell: c})
		}
	}
	return turns
}

// Cells are those of all axes: each method with each of the rest.
func Cells(methods []string, rates []stats.Rate, bandwidths []int64, memoryMiB []int, limits []time.Duration) (cells []stats.Cell) {
	for _, memory := range memoryMiB {
		for _, bandwidth := range bandwidths {
			for _, limit := range limits {
				for _, rate := range rates {
					for _, method := range methods {
						cells = append(cells, stats.Cell{Method: method, DirtyRate: rate, Bandwidth: bandwidth, MemoryMiB: memory, DowntimeMS: limit.Milliseconds()})
					}
				}
			}
		}
	}
	return cells
}
