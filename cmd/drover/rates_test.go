package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
)

// The figures are those of R. G. Newcombe, Two-sided confidence intervals for the single
// proportion, Statistics in Medicine 17 (1998), table I, method 3.
func TestWilsonIntervalIsThatOfTheLiterature(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{29, 29, 0.8830, 1},
	} {
		low, high := wilson(c.k, c.n)
		require.InDelta(t, c.low, low, 0.00005, c)
		require.InDelta(t, c.high, high, 0.00005, c)
	}
}

func TestOnlyAFailureThatComesAndGoesHasARate(t *testing.T) {
	var r rates
	for _, seen := range []struct {
		name     string
		outcomes string
	}{
		{"always", "fff"},
		{"never", "ppp"},
		{"skipped", "sss"},
		{"unknown", "pu"},
		{"flaky", "pfpusp"},
	} {
		for _, o := range seen.outcomes {
			r.add(seen.name, &record.Result{Outcome: map[rune]record.Outcome{'p': record.Pass, 'f': record.Fail, 's': record.Skip, 'u': record.Unknown}[o]})
		}
	}
	var out strings.Builder
	r.write(&out)
	require.Equal(t, "flaky failed in 1 of 4 runs: 25.0% of the time (95% confidence interval: 4.6% to 69.9%)\n", out.String())
}
