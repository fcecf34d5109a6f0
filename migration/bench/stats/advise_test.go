package stats_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// advised are the results that advice is asked of: precopy keeps 300 ms up to 50 MB/s, and
// does not converge at 200; multifd does, once over its time; postcopy does, slowly.
func advised() *stats.Results {
	r := &stats.Results{}
	add := func(c stats.Cell, s shape) { r.Cells = append(r.Cells, madeResults(5, 6, s, c).Cells...) }
	add(cellOf("precopy", 50e6), shape{0.5, 0.1, 0.01, 0})
	add(cellOf("precopy", 200e6), shape{3, 0.9, 0.01, 6})
	add(cellOf("multifd-4", 200e6), shape{0.7, 0.1, 0.01, 0})
	add(cellOf("postcopy", 200e6), shape{2, 0.01, 0.01, 0})
	add(cellOf("xbzrle", 200e6), shape{0.4, 0.2, 0.01, 1})
	r.Cell(cellOf("zstd", 200e6)).Skipped = "this QEMU has no zstd"
	return r
}

func TestAdviceNamesWhatKeptTheDowntime(t *testing.T) {
	for _, test := range []struct {
		name      string
		q         stats.Question
		keep, not []string
		nearest   int
	}{
		{
			name: "as measured", q: stats.Question{DirtyRate: 200e6, Bandwidth: 500e6, Downtime: 300 * time.Millisecond},
			keep: []string{"multifd-4", "postcopy"}, not: []string{"xbzrle", "precopy"},
		},
		{
			name: "what was measured is harder", q: stats.Question{DirtyRate: 100e6, Bandwidth: 1e9, Downtime: 300 * time.Millisecond, MemoryMiB: 128},
			keep: []string{"multifd-4", "postcopy"},
		},
		{
			name: "cells of several rates", q: stats.Question{DirtyRate: 20e6, Bandwidth: 500e6, Downtime: 300 * time.Millisecond},
			keep: []string{"precopy", "multifd-4", "postcopy"},
		},
		{
			name: "a shorter downtime", q: stats.Question{DirtyRate: 200e6, Bandwidth: 500e6, Downtime: 20 * time.Millisecond},
			keep: []string{"postcopy"}, not: []string{"multifd-4", "xbzrle", "precopy"},
		},
		{
			name: "none keeps it", q: stats.Question{DirtyRate: 200e6, Bandwidth: 500e6, Downtime: time.Millisecond},
			not: []string{"postcopy", "multifd-4", "xbzrle", "precopy"},
		},
		{
			name: "a higher rate", q: stats.Question{DirtyRate: 201e6, Bandwidth: 500e6, Downtime: time.Second},
			not: []string{"xbzrle", "precopy"},
		},
		{
			name: "what was measured is easier, and did not keep it", q: stats.Question{DirtyRate: 201e6, Bandwidth: 400e6, Downtime: time.Millisecond},
			not: []string{"postcopy", "multifd-4", "xbzrle", "precopy"},
		},
		{name: "less bandwidth", q: stats.Question{DirtyRate: 50e6, Bandwidth: 499e6, Downtime: time.Second}, nearest: 2},
		{name: "more RAM", q: stats.Question{DirtyRate: 50e6, Bandwidth: 500e6, Downtime: time.Second, MemoryMiB: 512}, nearest: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := stats.Advise(advised(), test.q)
			require.Equal(t, test.keep, methodsOf(a.Keep))
			require.Equal(t, test.not, methodsOf(a.Not))
			require.Len(t, a.Nearest, test.nearest)
		})
	}
}

func methodsOf(all []stats.Setting) (methods []string) {
	for _, s := range all {
		methods = append(methods, s.Method)
	}
	return methods
}

func TestTheNearestConditionsComeFirst(t *testing.T) {
	a := stats.Advise(advised(), stats.Question{DirtyRate: 300e6, Bandwidth: 600e6, Downtime: time.Second})
	require.Equal(t, stats.Rate(200e6), a.Nearest[0].DirtyRate)
}

// TestAGuestThatDidNotComeUpToItsRateIsNoEvidence: it was told 200 MB/s, and did 40.
func TestAGuestThatDidNotComeUpToItsRateIsNoEvidence(t *testing.T) {
	r := advised()
	for _, c := range r.Cells {
		for _, s := range c.Samples {
			s.Values[stats.DirtyRate] = min(float64(c.DirtyRate), 40e6)
		}
	}
	slow := stats.Question{DirtyRate: 40e6, Bandwidth: 500e6, Downtime: 300 * time.Millisecond}
	require.NotEmpty(t, stats.Advise(r, slow).Keep)
	fast := slow
	fast.DirtyRate = 200e6
	a := stats.Advise(r, fast)
	require.Empty(t, a.Keep)
}

func TestTheEvidenceIsInNumbers(t *testing.T) {
	a := stats.Advise(advised(), stats.Question{DirtyRate: 200e6, Bandwidth: 500e6, Downtime: 300 * time.Millisecond})
	require.Regexp(t, `^multifd-4, downtime-limit 300ms, max-bandwidth 500MB/s, measured at a dirty rate of 200MB/s with 256MiB of RAM: `+
		`kept in 6 of 6; downtime \d+ ms ±\d+%, at most \d+ ms; total time \d+ ms ±\d+%; the guest ran at \d+% of its speed$`, a.Keep[0].String())
	require.Contains(t, a.Not[0].String(), "1 of 6 did not converge; kept in 5 of 6")
}
