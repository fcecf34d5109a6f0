package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Axes are what a bench varies. Each needs a value at least.
type Axes struct {
	Methods     []string
	Dirty       []Dirty
	Bandwidths  []float64 // bytes a second
	MemoryMiB   []int     // 0 is what the guest program asks for
	DowntimesMS []int     // limits, milliseconds
}

// MostPoints bounds what a bench measures.
const MostPoints = 2000

// Points are all combinations, each once.
func (a Axes) Points() ([]Point, error) {
	n := len(a.Methods) * len(a.Dirty) * len(a.Bandwidths) * len(a.MemoryMiB) * len(a.DowntimesMS)
	if n == 0 || n > MostPoints {
		return nil, fmt.Errorf("%d combinations of methods, dirty rates, bandwidths, sizes of RAM and downtime limits, where 1 to %d can be measured", n, MostPoints)
	}
	var all []Point
	for _, memory := range a.MemoryMiB {
		for _, bandwidth := range a.Bandwidths {
			for _, downtime := range a.DowntimesMS {
				for _, method := range a.Methods {
					for _, dirty := range a.Dirty {
						p := Point{method, dirty, bandwidth, memory, downtime}
						if _, err := p.Scenario(time.Second); err != nil {
							return nil, err
						}
						all = append(all, p)
					}
				}
			}
		}
	}
	slices.SortFunc(all, Point.compare)
	return slices.Compact(all), nil
}

// A Job is one migration to measure. What is measured of a warm-up is dropped.
type Job struct {
	Point  Point
	WarmUp bool
	Round  int // from 1 on; 0 for a warm-up
}

// Plan puts warm-ups first, one a method, and then so many rounds over all points, each in
// an order of its own that the seed makes: what drifts on the host meets all points alike.
func Plan(points []Point, rounds int, seed uint64) (jobs []Job) {
	random := rand.New(rand.NewPCG(seed, seed))
	warm := map[string]bool{}
	for _, p := range points {
		if !warm[p.Method] {
			warm[p.Method] = true
			jobs = append(jobs, Job{Point: p, WarmUp: true})
		}
	}
	for round := range rounds {
		for _, i := range random.Perm(len(points)) {
			jobs = append(jobs, Job{Point: points[i], Round: round + 1})
		}
	}
	return jobs
}
