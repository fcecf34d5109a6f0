package bench_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/steps"
)

func axes() bench.Axes {
	return bench.Axes{
		Methods: bench.MethodNames(), Dirty: []bench.Dirty{{}, {Bytes: 8e6}, {Bytes: math.Inf(1)}},
		Bandwidths: []float64{2e8, 1e9}, MemoryMiB: []int{0, 512}, DowntimesMS: []int{100, 300},
	}
}

func TestEachPointIsAScenarioThatMakesSense(t *testing.T) {
	points, err := axes().Points()
	require.NoError(t, err)
	require.Len(t, points, 12*3*2*2*2)
	for _, p := range points {
		text, err := p.Scenario(5 * time.Second)
		require.NoError(t, err)
		s, err := migration.Parse("bench", "bench", text, steps.Verbs())
		require.NoError(t, err, text)
		require.NoError(t, s.Check(), text)
		require.Contains(t, s.Doc, p.Method)
	}
}

func TestAmountsThatAGuestCanDirtyAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]bench.Dirty{
		"0": {}, "all": {Bytes: math.Inf(1)}, "16MB": {Bytes: 16e6}, "1.5GB": {Bytes: 1.5e9}, "4096B": {Bytes: 4096}, "200MB/s": {Bytes: 2e8, Rate: true},
	} {
		d, err := bench.ParseDirty(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d, text)
		again, err := bench.ParseDirty(d.String())
		require.NoError(t, err)
		require.Equal(t, d, again, text)
	}
	for _, text := range []string{"", "-1", "16 MB", "much", "1e9", "9999999999GB", "NaN"} {
		_, err := bench.ParseDirty(text)
		require.ErrorContains(t, err, "nothing that a guest can dirty", text)
	}
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	for _, change := range []func(a *bench.Axes){
		func(a *bench.Axes) { a.Methods = nil },
		func(a *bench.Axes) { a.Methods = []string{"teleport"} },
		func(a *bench.Axes) { a.DowntimesMS = make([]int, bench.MostPoints) },
	} {
		a := axes()
		change(&a)
		_, err := a.Points()
		require.Error(t, err)
	}
	for _, text := range []string{"1GB", "1kB/s", "fast"} {
		_, err := bench.ParseBandwidth(text)
		require.Error(t, err, text)
	}
	for _, text := range []string{"1MiB", "129.5MiB", "1GiB/s", "9999999GiB"} {
		_, err := bench.ParseMemory(text)
		require.Error(t, err, text)
	}
}

func TestPlanMeasuresEachPointInEachRoundAfterAWarmUp(t *testing.T) {
	points, err := axes().Points()
	require.NoError(t, err)
	jobs := bench.Plan(points, 3, 7)
	require.Len(t, jobs, 12+3*len(points))
	seen := map[bench.Point]int{}
	warm := map[string]bool{}
	for i, j := range jobs {
		require.Equal(t, i < 12, j.WarmUp)
		if j.WarmUp {
			warm[j.Point.Method] = true
			continue
		}
		seen[j.Point]++
		require.Equal(t, 1+(i-12)/len(points), j.Round, "one round after the other")
	}
	require.Len(t, warm, 12)
	for _, p := range points {
		require.Equal(t, 3, seen[p], p)
	}
	require.Equal(t, jobs, bench.Plan(points, 3, 7))
	require.NotEqual(t, jobs, bench.Plan(points, 3, 8))
}
