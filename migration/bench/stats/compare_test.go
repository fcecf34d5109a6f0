package stats_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench/stats"
)

var usual = shape{total: 0.6, downtime: 0.08, noise: 0.05}

func TestWhatIsWorseBeyondNoiseIsFound(t *testing.T) {
	for _, test := range []struct {
		name   string
		cells  []stats.Cell
		n      int
		now    shape
		worse  map[stats.Metric]int // in how many cells
		better map[stats.Metric]int
		least  int // cells
	}{
		{name: "the same", cells: grid(), n: 6, now: usual},
		{name: "a tenth slower is within the margin", cells: grid(), n: 6, now: shape{0.65, 0.085, 0.05, 0}},
		{name: "twice as slow everywhere", cells: grid(), n: 6, now: shape{1.2, 0.08, 0.05, 0}, worse: map[stats.Metric]int{stats.Total: 16, stats.Throughput: 16}},
		{name: "twice as fast everywhere", cells: grid(), n: 6, now: shape{0.3, 0.08, 0.05, 0}, better: map[stats.Metric]int{stats.Total: 16, stats.Throughput: 16}},
		{name: "one cell of few samples", cells: grid()[:1], n: 5, now: shape{1.2, 0.08, 0.05, 0}, worse: map[stats.Metric]int{stats.Total: 1, stats.Throughput: 1}},
		{name: "nothing converges any more", cells: grid(), n: 6, now: shape{0.6, 0.08, 0.05, 6}, worse: map[stats.Metric]int{stats.NotConverged: 16}},
		{name: "one of six does not converge", cells: grid(), n: 6, now: shape{0.6, 0.08, 0.05, 1}},
		{name: "so noisy that a third is lost in it", cells: grid(), n: 6, now: shape{0.8, 0.08, 0.6, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, now := madeResults(1, test.n, usual, test.cells...), madeResults(2, test.n, test.now, test.cells...)
			c := stats.Compare(before, now, stats.DefaultMargin)
			require.Equal(t, test.worse, byMetric(c.Worse()))
			require.Equal(t, test.better, byMetric(c.Better()))
			require.Empty(t, c.TooFew)
		})
	}
}

func byMetric(all []stats.Difference) map[stats.Metric]int {
	var counts map[stats.Metric]int
	for _, d := range all {
		if counts == nil {
			counts = map[stats.Metric]int{}
		}
		counts[d.Metric]++
	}
	return counts
}

// TestWhatIsTheSameIsSeldomCalledWorse: many benches of one thing, compared without any
// margin. What is called worse at all is to be as rare as it was promised.
func TestWhatIsTheSameIsSeldomCalledWorse(t *testing.T) {
	alarms := 0
	const benches = 300
	for seed := range uint64(benches) {
		before, now := madeResults(2*seed, 6, usual, grid()[:8]...), madeResults(2*seed+1, 6, usual, grid()[:8]...)
		if len(stats.Compare(before, now, 0).Worse()) > 0 {
			alarms++
		}
	}
	require.LessOrEqual(t, alarms, 22, "%d were promised", int(float64(benches)*stats.FalseAlarms))
}

// TestAnOutlierIsNoDifference: one slow migration of six moves a mean, and no rank by much.
func TestAnOutlierIsNoDifference(t *testing.T) {
	before, now := madeResults(1, 6, usual, grid()...), madeResults(2, 6, usual, grid()...)
	now.Cells[3].Samples[2].Values[stats.Total] = 60
	require.Empty(t, stats.Compare(before, now, stats.DefaultMargin).Worse())
}

// TestATestIsThatOfAllOrders holds the probability against a count of every way to divide the
// samples, which is its definition.
func TestATestIsThatOfAllOrders(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	cell := cellOf("precopy", 0)
	for range 40 {
		draw := func() (all []float64) {
			for range 4 {
				all = append(all, float64(1+random.IntN(6))) // so that there are ties
			}
			return all
		}
		b, n := draw(), draw()
		results := func(values []float64) *stats.Results {
			r := &stats.Results{Format: stats.Format}
			for _, x := range values {
				r.Add(cell, stats.Sample{Converged: true, Values: map[stats.Metric]float64{stats.GuestSpeed: x}})
			}
			return r
		}
		for _, d := range stats.Compare(results(b), results(n), 0).Differences {
			if d.Metric == stats.GuestSpeed {
				require.InDelta(t, min(ofAllOrders(b, n), ofAllOrders(n, b)), d.P, 1e-9, "%v %v", b, n)
			}
		}
	}
}

// ofAllOrders is the share of all ways to divide the values in which the first lie as low as
// they do, or lower: by how often one of them is above one of the others, ties a half.
func ofAllOrders(low, high []float64) float64 {
	u := func(x, y []float64) (sum float64) {
		for _, a := range x {
			for _, b := range y {
				if a > b {
					sum++
				} else if a == b {
					sum += 0.5
				}
			}
		}
		return sum
	}
	all := append(append([]float64{}, low...), high...)
	seen, ways, hits := u(low, high), 0, 0
	for mask := range 1 << len(all) {
		var x, y []float64
		for i, v := range all {
			if mask>>i&1 == 1 {
				x = append(x, v)
			} else {
				y = append(y, v)
			}
		}
		if len(x) == len(low) {
			ways++
			if u(x, y) <= seen {
				hits++
			}
		}
	}
	return float64(hits) / float64(ways)
}

func TestCellsThatOnlyOneHasAreNamed(t *testing.T) {
	before, now := madeResults(1, 6, usual, grid()[:3]...), madeResults(2, 6, usual, grid()[1:5]...)
	now.Cells[0].Samples, now.Cells[0].Skipped = nil, "no xbzrle here" // grid()[1]
	c := stats.Compare(before, now, stats.DefaultMargin)
	require.Equal(t, grid()[:2], c.OnlyBefore)
	require.Equal(t, grid()[3:5], c.OnlyNow)

	none := stats.Compare(before, &stats.Results{}, stats.DefaultMargin)
	require.Empty(t, none.Differences)
	require.Contains(t, none.TooFew, "no cell was measured in both")
}

// TestWhatWasChangedOnPurposeDoesNotPartCells: half of the bandwidth everywhere is a cell of
// its own on that axis, and what somebody wants to compare.
func TestWhatWasChangedOnPurposeDoesNotPartCells(t *testing.T) {
	halved := grid()
	for i := range halved {
		halved[i].Bandwidth /= 2
	}
	before, now := madeResults(1, 6, usual, grid()...), madeResults(2, 6, shape{1.2, 0.08, 0.05, 0}, halved...)
	c := stats.Compare(before, now, stats.DefaultMargin)
	require.Equal(t, []string{"bandwidth 500MB/s, now 250MB/s"}, c.Changed)
	require.Equal(t, map[stats.Metric]int{stats.Total: 16, stats.Throughput: 16}, byMetric(c.Worse()))
	require.Empty(t, c.OnlyBefore)
	require.Empty(t, c.OnlyNow)

	both := madeResults(3, 6, usual, append(grid(), halved...)...) // two bandwidths: the cells are told apart
	c = stats.Compare(both, now, stats.DefaultMargin)
	require.Empty(t, c.Changed)
	require.Len(t, c.OnlyBefore, 16)
}

func TestTooFewSamplesAreNoAllClear(t *testing.T) {
	before, now := madeResults(1, 2, usual, grid()...), madeResults(2, 2, shape{60, 8, 0.01, 0}, grid()...)
	c := stats.Compare(before, now, stats.DefaultMargin)
	require.Empty(t, c.Worse())
	require.Contains(t, c.TooFew, "with 2 samples")
}

func TestADifferenceNamesCellQuantityAndHowSure(t *testing.T) {
	before, now := madeResults(1, 6, usual, grid()[0]), madeResults(2, 6, shape{1.2, 0.08, 0.05, 0}, grid()[0])
	worse := stats.Compare(before, now, stats.DefaultMargin).Worse()
	require.NotEmpty(t, worse)
	require.Regexp(t, `^precopy, dirty rate 0, bandwidth 500MB/s, memory 256MiB, downtime limit 300ms: total time: 1\d{3} ms ±\d+%, before \d{3} ms ±\d+% \(\+\d+%\), p=0\.0011, n=6\+6$`, worse[0].String())
}
