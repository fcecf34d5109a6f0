package stats_test

import (
	"math/rand/v2"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// cellOf is a cell of some method at a rate, with the rest as usual.
func cellOf(method string, rate stats.Rate) stats.Cell {
	return stats.Cell{Method: method, DirtyRate: rate, Bandwidth: 500e6, MemoryMiB: 256, DowntimeMS: 300}
}

// A shape is what made-up migrations of a cell are like.
type shape struct {
	total, downtime float64 // s
	noise           float64 // share of both, the standard deviation
	notConverged    int     // of the first ones
}

// made are samples of that shape.
func made(random *rand.Rand, n int, s shape) (all []stats.Sample) {
	for i := range n {
		noisy := func(x float64) float64 { return max(x*(1+s.noise*random.NormFloat64()), 0) }
		all = append(all, stats.Sample{
			Converged: i >= s.notConverged,
			Values: map[stats.Metric]float64{
				stats.Total: noisy(s.total), stats.Downtime: noisy(s.downtime), stats.Sent: noisy(2e8), stats.Throughput: noisy(2e8 / s.total),
				stats.CPUSource: noisy(0.3), stats.CPUDestination: noisy(0.2), stats.GuestSpeed: noisy(25), stats.GuestDuring: noisy(0.7),
				stats.RSSSource: noisy(2e8), stats.RSSDestination: noisy(2e8), stats.Passes: 4,
			},
		})
	}
	return all
}

// madeResults has so many samples of that shape for each of the cells.
func madeResults(seed uint64, n int, s shape, cells ...stats.Cell) *stats.Results {
	random := rand.New(rand.NewPCG(seed, 1))
	r := &stats.Results{
		Format: stats.Format, Repeats: n, Seed: seed, Arch: "x86_64", Accel: "tcg: the default",
		Source: stats.QEMU{Binary: "/usr/bin/qemu-system-x86_64", Version: "10.0.0"}, Destination: stats.QEMU{Version: "10.0.0"},
	}
	for _, c := range cells {
		r.Cell(c).Samples = made(random, n, s)
	}
	return r
}

// grid is a bench's cells: 4 methods at 4 rates.
func grid() (cells []stats.Cell) {
	for _, rate := range []stats.Rate{0, 50e6, 200e6, stats.All} {
		for _, method := range []string{"precopy", "xbzrle", "multifd-4", "postcopy"} {
			cells = append(cells, cellOf(method, rate))
		}
	}
	return cells
}
