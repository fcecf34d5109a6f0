package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExactTestOfRanksHasTheTabulatedValues(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		p    float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 0.1},           // 2/C(6,3)
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 0.02857}, // 2/C(8,4)
		{[]float64{1, 3, 5}, []float64{2, 4, 6}, 0.7},           // U = 3
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 0.0079365},
		{[]float64{7, 7, 7}, []float64{7, 7, 7}, 1},
		{nil, []float64{1}, 1},
	} {
		require.InDelta(t, c.p, mannWhitney(c.a, c.b), 0.001, c)
		require.InDelta(t, c.p, mannWhitney(c.b, c.a), 0.001, c)
	}
}

func TestHolmCorrectsForTheNumberOfTests(t *testing.T) {
	require.InDeltaSlice(t, []float64{0.03, 0.06, 0.06}, holm([]float64{0.01, 0.04, 0.03}), 1e-9)
	require.Empty(t, holm(nil))
}

func TestPermutationTestTellsAChangeFromNone(t *testing.T) {
	var same, more []stratum
	for i := range 8 {
		x := float64(i)
		same = append(same, stratum{[]float64{x, x + 0.1, x + 0.2}, []float64{x + 0.1, x, x + 0.2}})
		more = append(more, stratum{[]float64{x, x + 0.1, x + 0.2}, []float64{x + 1, x + 1.1, x + 1.2}})
	}
	factor, p := permutationTest(same)
	require.InDelta(t, 1, factor, 0.001)
	require.Greater(t, p, 0.5)
	factor, p = permutationTest(more)
	require.InDelta(t, 2.718, factor, 0.01)
	require.Less(t, p, 0.001)
	factor, p = permutationTest(nil)
	require.Equal(t, []float64{1, 1}, []float64{factor, p})
}
