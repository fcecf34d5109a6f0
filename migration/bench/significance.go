package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

// A stratum are the values of one point in two files, as logarithms.
type stratum struct{ before, after []float64 }

// resamples is how often labels are permuted where not all ways can be tried; a p of 0.01 is
// then known to 0.001.
const resamples = 10000

// permutationTest says by which factor values have changed, over all strata, and how likely so
// large a change is where nothing has: the share of ways to deal out the values of each stratum
// anew that come to as large a one. It assumes nothing of how values are distributed, and needs
// no more than three of a kind where there are many points. The same input has the same answer.
func permutationTest(strata []stratum) (factor, p float64) {
	weights, total := make([]float64, len(strata)), 0.0
	for i, s := range strata {
		n, m := float64(len(s.before)), float64(len(s.after))
		weights[i] = n * m / (n + m)
		total += weights[i]
	}
	if total == 0 {
		return 1, 1
	}
	change := func(values []float64, n int) float64 { return mean(values[n:]) - mean(values[:n]) }
	pooled, seen := make([][]float64, len(strata)), 0.0
	for i, s := range strata {
		pooled[i] = slices.Concat(s.before, s.after)
		seen += weights[i] * change(pooled[i], len(s.before))
	}
	random := rand.New(rand.NewPCG(1, 2))
	as := 1
	const same = 1e-12
	for range resamples {
		sum := 0.0
		for i, values := range pooled {
			random.Shuffle(len(values), func(a, b int) { values[a], values[b] = values[b], values[a] })
			sum += weights[i] * change(values, len(strata[i].before))
		}
		if math.Abs(sum) >= math.Abs(seen)-same {
			as++
		}
	}
	return math.Exp(seen / total), float64(as) / (resamples + 1)
}

func mean(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// mannWhitney is the chance that two samples of the same distribution differ as much as these,
// by the exact test of ranks (ties count half), two-sided. It is for small samples: more than
// mostExact are cut.
func mannWhitney(a, b []float64) float64 {
	a, b = a[:min(len(a), mostExact)], b[:min(len(b), mostExact)]
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return 1
	}
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	u = min(u, float64(n*m)-u)
	ways := make([][]float64, n+1) // ways[i][k]: to choose i of those looked at with k pairs
	for i := range ways {
		ways[i] = make([]float64, n*m+1)
	}
	ways[0][0] = 1
	// Each value of the pooled, ascending, is one of a's or one of b's; one of a's is above
	// all of b's before it.
	for seen := range n + m {
		next := make([][]float64, n+1)
		for i := range next {
			next[i] = make([]float64, n*m+1)
			others := seen - i // of b's, where i are a's
			if others >= 0 && others < m {
				copy(next[i], ways[i])
			}
		}
		for i := range n {
			others := seen - i
			if others < 0 || others > m {
				continue
			}
			for k := 0; k+others <= n*m; k++ {
				next[i+1][k+others] += ways[i][k]
			}
		}
		ways = next
	}
	all, tail := 0.0, 0.0
	for k, w := range ways[n] {
		all += w
		if float64(k) <= u {
			tail += w
		}
	}
	return min(1, 2*tail/all)
}

const mostExact = 20

// holm are the p-values after Holm's correction for their number.
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	corrected, most := make([]float64, len(p)), 0.0
	for rank, i := range order {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = most
	}
	return corrected
}
