package report_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/report"
)

// benched makes up what a bench has measured: factor times what it took.
func benched(factor float64, methods ...string) *bench.Results {
	r := &bench.Results{Format: bench.Format, QEMU: "10.0.13", Arch: "x86_64", Accel: "tcg", Rounds: 3, WithinMS: 3000, Seconds: 120}
	for i, method := range methods {
		for j, bytes := range []float64{0, 8e6, 32e6, math.Inf(1)} {
			for round := range 3 {
				x := float64(1+i+j) * (1 + float64(round)/50)
				m := bench.Measurement{
					Point: bench.Point{Method: method, Dirty: bench.Dirty{Bytes: bytes}, Bandwidth: 2e8, DowntimeMS: 300}, Round: round + 1,
					Converged: j < 3 || i == 1, TotalMS: 90 * x * factor, DowntimeMS: 4 * x, DowntimeEventsMS: 4.2 * x, DowntimeGuestMS: 5 * x, Bytes: 1e7 * x, Throughput: 1e8,
					Passes: 3, SourceVCPU: 0.2, SourceOther: 0.05 * x, DestinationOther: 0.04 * x, Speed: 25, Slowdown: 1 + x/10, SourceRSS: 1e8, DestinationRSS: 1e8, HostSlowdown: 1,
				}
				r.Measurements = append(r.Measurements, m)
			}
		}
	}
	return r
}

func TestBenchsPageHasPlotsAndAFrontierAndOpensInABrowser(t *testing.T) {
	ctx := browser(t)
	dir := t.TempDir()
	r := benched(1.5, bench.MethodNames()...)
	r.Missing = []bench.Missing{{Point: bench.Point{Method: "<script>alert(1)</script>\x1b[2J"}, Reason: "QEMU has no such\x1b[2J thing"}}
	c, err := bench.Compare(benched(1, bench.MethodNames()...), r)
	require.NoError(t, err)
	require.NoError(t, report.WriteBench(dir, r, c))
	requireSound(t, ctx, filepath.Join(dir, report.BenchHTMLFile))
	html := read(t, filepath.Join(dir, report.BenchHTMLFile))
	for _, text := range []string{"Downtime against what the guest dirties", "Total time against", "Convergence frontier", "precopy at 8MB: ✓", "precopy at all: ✗ does not", "worse", "&#43;49.9 %"} {
		require.True(t, strings.Contains(html, text), text)
	}
	require.False(t, strings.ContainsAny(html, "\x1b"))
	require.False(t, strings.Contains(html, "<script>"))
	again, err := bench.Read(filepath.Join(dir, report.BenchJSONFile))
	require.NoError(t, err)
	require.Equal(t, len(r.Measurements), len(again.Measurements))
	require.FileExists(t, filepath.Join(dir, report.BenchTextFile))
}

func TestBenchsTableHasARowAPoint(t *testing.T) {
	var b strings.Builder
	report.BenchText(&b, benched(1, "precopy", "postcopy"))
	require.Equal(t, 2+8, strings.Count(b.String(), "\n"), b.String())
	require.Regexp(t, `(?m)^  precopy +8MB +3 of 3 +184 ms ±2% `, b.String())
	require.Regexp(t, `(?m)^  precopy +all +0 of 3 +- +- `, b.String())

	b.Reset()
	c, err := bench.Compare(benched(1, "precopy", "postcopy"), benched(1, "precopy", "postcopy"))
	require.NoError(t, err)
	report.BenchCompared(&b, c)
	require.True(t, strings.HasPrefix(b.String(), "verdict  no difference beyond noise\n"), b.String())
}

func TestAdviceIsPrintedWithItsEvidence(t *testing.T) {
	all, err := benched(1, "precopy", "postcopy").Advise(bench.Wish{Dirty: bench.Dirty{Bytes: math.Inf(1)}, Bandwidth: 1e9, DowntimeMS: 300})
	require.NoError(t, err)
	var b strings.Builder
	report.AdviceText(&b, all)
	require.Equal(t, `use   postcopy, dirty all, 200MB/s, 300 ms
      3 rounds: paused for at most 22 ms, total 459 ms, 51.0 MB sent, guest 1.5 times as slow while it is sent
no    precopy, dirty all, 200MB/s, 300 ms: 3 of 3 did not converge in 3.0 s
      3 rounds: paused for at most 17 ms, total 0 ms, 0 bytes sent, guest 1.4 times as slow while it is sent
`, b.String())
}

func TestBenchThatCannotBeWrittenIsAnError(t *testing.T) {
	require.Error(t, report.WriteBench(filepath.Join(t.TempDir(), "none"), benched(1, "precopy"), nil))
	_, err := os.Stat(report.BenchHTMLFile)
	require.Error(t, err)
}
