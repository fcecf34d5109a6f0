package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/report"
)

// benched is a bench of 4 methods at 4 rates, of made-up numbers: precopy converges up to 50
// MB/s, multifd up to 200, postcopy always; one method was skipped.
func benched() *stats.Results {
	r := &stats.Results{
		Format: stats.Format, Started: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Seconds: 200, Seed: 7, Repeats: 3, MaxTimeMS: 3000,
		Arch: "x86_64", Accel: "tcg: the default", CPUs: 2, Slowdown: 1.1,
		Source: stats.QEMU{Binary: "/usr/bin/qemu-system-x86_64", Version: "10.0.0"}, Destination: stats.QEMU{Binary: "/usr/bin/qemu-system-x86_64", Version: "10.0.0"},
	}
	fails := map[string]stats.Rate{"precopy": 200e6, "xbzrle": 200e6, "multifd-4": stats.All, "postcopy": stats.All + 0}
	for i, rate := range []stats.Rate{0, 50e6, 200e6, stats.All} {
		for j, method := range []string{"precopy", "xbzrle", "multifd-4", "postcopy"} {
			converges := method == "postcopy" || rate < fails[method]
			for n := range 3 {
				total := 0.2 + 0.4*float64(i) + 0.05*float64(j) + 0.01*float64(n)
				if !converges {
					total = 3.1 + 0.01*float64(n)
				}
				r.Add(stats.Cell{Method: method, DirtyRate: rate, Bandwidth: 500e6, MemoryMiB: 256, DowntimeMS: 300}, stats.Sample{Converged: converges, Values: map[stats.Metric]float64{
					stats.Total: total, stats.Downtime: 0.01 * (1 + 8*float64(i)) * (1 + 0.3*float64(j)) * (1 + 0.02*float64(n)), stats.Sent: 1e8 * float64(i+1),
					stats.Throughput: 1e8 * float64(i+1) / total, stats.CPUSource: 0.3, stats.CPUDestination: 0.2, stats.GuestDuring: 0.8, stats.RSSSource: 2e8, stats.RSSDestination: 2e8,
				}})
			}
		}
	}
	r.Cell(stats.Cell{Method: "zstd", DirtyRate: 0, Bandwidth: 500e6, MemoryMiB: 256, DowntimeMS: 300}).Skipped = "QEMU 10.0.0 has no parameter multifd-compression=zstd"
	return r
}

// slower is the same with twice the time, and more samples of both, so that it can be told.
func slower(r *stats.Results) (before, now *stats.Results) {
	double := func(factor float64) *stats.Results {
		again := *r
		again.Cells = nil
		for _, c := range r.Cells {
			more := c
			more.Samples = nil
			for _, s := range append(c.Samples, c.Samples...) {
				values := map[stats.Metric]float64{}
				for m, x := range s.Values {
					values[m] = x
				}
				values[stats.Total] *= factor * (1 + 0.001*float64(len(more.Samples)))
				more.Samples = append(more.Samples, stats.Sample{Converged: s.Converged, Values: values})
			}
			again.Cells = append(again.Cells, more)
		}
		return &again
	}
	return double(1), double(2)
}

func TestABenchsTableIsThatOfItsNumbers(t *testing.T) {
	var b strings.Builder
	report.BenchText(&b, benched())
	before, now := slower(benched())
	c := stats.Compare(before, now, stats.DefaultMargin)
	report.ComparisonText(&b, c, "before/bench.json")
	report.ComparisonText(&b, stats.Compare(before, before, stats.DefaultMargin), "before/bench.json")
	q := stats.Question{DirtyRate: 200e6, Bandwidth: 1e9, Downtime: 300 * time.Millisecond}
	report.AdviceText(&b, q, stats.Advise(benched(), q), "10.0.0")
	q.Downtime = time.Millisecond
	q.Bandwidth = 500e6
	report.AdviceText(&b, q, stats.Advise(benched(), q), "10.0.0")
	q.Bandwidth = 1e6
	report.AdviceText(&b, q, stats.Advise(benched(), q), "10.0.0")
	golden(t, "bench.txt", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestABenchsPageSaysInWordsWhatItDraws: who can't see the plots gets the numbers.
func TestABenchsPageSaysInWordsWhatItDraws(t *testing.T) {
	page, err := report.BenchPage(benched(), nil)
	require.NoError(t, err)
	for _, want := range []string{
		"Convergence frontier: bandwidth 500MB/s, 256MiB of RAM",
		"precopy at 50MB/s: converges within 300ms, at most",
		"precopy at 200MB/s: does not converge under a limit of 300ms: it would take",
		"Downtime against the dirty rate",
		"Total time against the dirty rate",
		"postcopy: 360 ms ±1% at 0",
		"skipped zstd: QEMU 10.0.0 has no parameter multifd-compression=zstd",
		`href="./bench.txt"`,
	} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), "Compared with the baseline")

	before, now := slower(benched())
	c := stats.Compare(before, now, stats.DefaultMargin)
	page, err = report.BenchPage(now, &c)
	require.NoError(t, err)
	require.Contains(t, string(page), "✗ worse")
	require.Contains(t, string(page), `<body class="fail">`)
}

func TestWhatOthersWroteIsEscapedInABench(t *testing.T) {
	const hostile = "\x1b[31m<script>alert(1)</script>"
	r := benched()
	r.Cells[0].Method, r.Source.Version, r.Accel, r.Args = hostile, hostile, hostile, []string{hostile}
	r.Cells[len(r.Cells)-1].Skipped = hostile
	c := stats.Compare(r, r, 0)
	page, err := report.BenchPage(r, &c)
	require.NoError(t, err)
	var text bytes.Buffer
	report.BenchText(&text, r)
	report.ComparisonText(&text, stats.Comparison{Differences: []stats.Difference{{Cell: r.Cells[0].Cell, Worse: true}}}, hostile)
	q := stats.Question{Bandwidth: 1e9, Downtime: time.Second}
	report.AdviceText(&text, q, stats.Advise(r, q), hostile)
	require.NotContains(t, string(page), "<script>")
	require.NotContains(t, string(page)+text.String(), "\x1b")
	require.Contains(t, text.String(), "alert(1)")
}

// TestABenchOfNothingAndOfOneMigrationIsDrawn: no chart divides by nothing.
func TestABenchOfNothingAndOfOneMigrationIsDrawn(t *testing.T) {
	none := &stats.Results{Format: stats.Format, Interrupted: true}
	one := &stats.Results{Format: stats.Format}
	one.Add(stats.Cell{Method: "precopy", Bandwidth: 1}, stats.Sample{Values: map[stats.Metric]float64{stats.Total: 0, stats.Downtime: 0}})
	for _, r := range []*stats.Results{none, one} {
		dir := t.TempDir()
		require.NoError(t, report.WriteBench(dir, r, nil))
		for _, name := range []string{report.BenchFile, stats.File, stats.GoFile} {
			require.FileExists(t, filepath.Join(dir, name))
		}
		page, err := report.BenchPage(r, nil)
		require.NoError(t, err)
		require.NotContains(t, string(page), "NaN")
		require.NotContains(t, string(page), "Inf")
	}
}

func TestABenchsPageOpensInABrowser(t *testing.T) {
	ctx := browser(t)
	before, now := slower(benched())
	c := stats.Compare(before, now, stats.DefaultMargin)
	dir := t.TempDir()
	require.NoError(t, report.WriteBench(dir, now, &c))
	found := requireSound(t, ctx, filepath.Join(dir, report.BenchFile))
	require.GreaterOrEqual(t, found.Headings, 5)
	require.GreaterOrEqual(t, found.Tables, 2)
}
