package stats_test

import (
	"fmt"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// Five downtimes each, before a change and after it: is it worse, and not by chance?
func ExampleCompare() {
	cell := stats.Cell{Method: "precopy", DirtyRate: 50e6, Bandwidth: 1e9, MemoryMiB: 256, DowntimeMS: 300}
	measured := func(downtimes ...float64) *stats.Results {
		r := &stats.Results{Format: stats.Format}
		for _, seconds := range downtimes {
			r.Add(cell, stats.Sample{Converged: true, Values: map[stats.Metric]float64{stats.Downtime: seconds}})
		}
		return r
	}
	before, now := measured(0.10, 0.11, 0.10, 0.12, 0.11), measured(0.20, 0.21, 0.22, 0.20, 0.21)
	for _, d := range stats.Compare(before, now, stats.DefaultMargin).Worse() {
		fmt.Printf("%s: %s, was %s\n", d.Metric, d.Now.Text("s"), d.Before.Text("s"))
	}
	fmt.Println(len(stats.Compare(before, before, stats.DefaultMargin).Worse()), "worse than itself")
	// Output:
	// downtime-sec: 210 ms ±2%, was 110 ms ±5%
	// 0 worse than itself
}
