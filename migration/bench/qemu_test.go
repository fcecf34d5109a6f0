package bench_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
)

var compare = flag.Bool("compare", false, "run the tests that hold times against each other: minutes, on a host that has nothing else to do")

// comparesTimes leaves out a test that a busy host would fail.
func comparesTimes(t *testing.T) {
	t.Helper()
	if !*compare {
		t.Skip("it holds times against each other, for minutes and on a quiet host: make check-bench")
	}
}

// benchOn is a bench of cells on the QEMU that tests run on; nothing may be left in the folder
// for artifacts.
func benchOn(t *testing.T, p bench.Plan) bench.Bench {
	t.Helper()
	b := bench.Bench{Plan: p, Options: migration.Options{
		Arch: "x86_64", Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Known: new(probe.Known),
	}}
	t.Cleanup(func() {
		left, err := os.ReadDir(b.Options.Artifacts)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return b
}

// TestEveryMethodIsMeasuredAndProven: with all memory compared behind what is measured.
func TestEveryMethodIsMeasuredAndProven(t *testing.T) {
	cells := bench.Cells(bench.MethodNames(), []stats.Rate{stats.All}, []int64{1e9}, []int{150}, []time.Duration{2 * time.Second})
	b := benchOn(t, bench.Plan{Cells: cells, Repeats: 1, MaxTime: 5 * time.Second, Seed: 1, Proof: true})
	over := 0
	b.Watch = func(e bench.Event) {
		if e.Over {
			over++
			require.Empty(t, e.Failed, "%s", e.Cell)
		}
	}
	r, err := b.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(cells), over)
	require.NotEmpty(t, r.Source.Version)
	require.False(t, r.Interrupted)
	for _, c := range r.Cells {
		if c.Skipped != "" {
			t.Logf("%s: %s", c.Method, c.Skipped)
			continue
		}
		require.Len(t, c.Samples, 1)
		got := c.Samples[0].Values
		for _, m := range []stats.Metric{
			stats.Total, stats.Downtime, stats.DowntimeGuest, stats.Sent, stats.Throughput, stats.Passes, stats.CPUSource, stats.CPUDestination,
			stats.VCPUSource, stats.GuestSpeed, stats.DirtyRate, stats.RSSSource, stats.RSSDestination,
		} {
			require.Positive(t, got[m], "%s: %s of %v", c.Method, m, got)
		}
		require.GreaterOrEqual(t, got[stats.Total], got[stats.Downtime], c.Method)
		require.GreaterOrEqual(t, got[stats.RSSDestination], 99.0*(1<<20), "%s: the guest's data is resident where it arrives", c.Method)
	}
}

// sideBySide measures a cell for each of the benches, five times, and all side by side, so that
// whatever else this host does meanwhile is done to all alike.
func sideBySide(t *testing.T, arms ...bench.Bench) []*stats.Results {
	t.Helper()
	const rounds = 5
	measured := make([]*stats.Results, len(arms))
	for range rounds {
		round := new(errgroup.Group)
		for i, arm := range arms {
			round.Go(func() error {
				r, err := arm.Run(t.Context())
				if err != nil || r.Measured() != 1 {
					return errors.Join(err, fmt.Errorf("not measured: %v", r))
				}
				if measured[i] == nil {
					measured[i] = r
					return nil
				}
				measured[i].Add(r.Cells[0].Cell, r.Cells[0].Samples[0])
				return nil
			})
		}
		require.NoError(t, round.Wait())
	}
	return measured
}

func oneCell(rate stats.Rate, bandwidth int64, maxTime time.Duration) bench.Plan {
	cells := bench.Cells([]string{"precopy"}, []stats.Rate{rate}, []int64{bandwidth}, []int{150}, []time.Duration{100 * time.Millisecond})
	return bench.Plan{Cells: cells, Repeats: 1, MaxTime: maxTime}
}

// TestTheSameQEMUIsNoDifferenceAndHalfOfTheBandwidthIsWorse: there is so little bandwidth that
// time goes by it, also where others leave next to nothing of this host.
func TestTheSameQEMUIsNoDifferenceAndHalfOfTheBandwidthIsWorse(t *testing.T) {
	comparesTimes(t)
	const enough = time.Minute
	measured := sideBySide(t, benchOn(t, oneCell(0, 20e6, enough)), benchOn(t, oneCell(0, 20e6, enough)), benchOn(t, oneCell(0, 10e6, enough)))
	same := stats.Compare(measured[0], measured[1], stats.DefaultMargin)
	require.Empty(t, same.TooFew)
	require.Empty(t, texts(same.Worse()))
	require.Empty(t, texts(same.Better()))

	half := stats.Compare(measured[0], measured[2], stats.DefaultMargin)
	require.Equal(t, []string{"bandwidth 20MB/s, now 10MB/s"}, half.Changed)
	require.Contains(t, metricsOf(half.Worse()), stats.Total, texts(half.Differences))
}

// TestASlowerAcceleratorIsWorse: one translated instruction at a time, since 8.1.
func TestASlowerAcceleratorIsWorse(t *testing.T) {
	comparesTimes(t)
	usual, slow := benchOn(t, oneCell(stats.All, 1e9, time.Second)), benchOn(t, oneCell(stats.All, 1e9, time.Second))
	if v := qemutest.Version(t, usual.Options.Source); v < "8.1" && v > "3" {
		t.Skipf("QEMU %s has no one-insn-per-tb, which came with 8.1: name a newer one with DROVER_QEMU", v)
	}
	slow.Options.Accel = "tcg,one-insn-per-tb=on"
	measured := sideBySide(t, usual, slow)
	worse := stats.Compare(measured[0], measured[1], stats.DefaultMargin)
	require.Contains(t, metricsOf(worse.Worse()), stats.GuestSpeed, texts(worse.Differences))
}

func texts(all []stats.Difference) (lines []string) {
	for _, d := range all {
		lines = append(lines, d.String())
	}
	return lines
}

func metricsOf(all []stats.Difference) (metrics []stats.Metric) {
	for _, d := range all {
		metrics = append(metrics, d.Metric)
	}
	return metrics
}

// TestABenchThatIsInterruptedReturnsWhatItHas, and leaves nothing.
func TestABenchThatIsInterruptedReturnsWhatItHas(t *testing.T) {
	enough := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	b := benchOn(t, bench.Plan{Cells: usualCells("precopy"), Repeats: 100, MaxTime: time.Second})
	b.Watch = func(e bench.Event) {
		if e.N == 2 && e.Step == "migrate" {
			stop(enough)
		}
	}
	r, err := b.Run(ctx)
	require.ErrorIs(t, err, enough)
	require.True(t, r.Interrupted)
	require.Equal(t, 1, r.Measured())
}

func TestAMigrationThatDoesNotConvergeEndsAllTheSame(t *testing.T) {
	cells := bench.Cells([]string{"precopy"}, []stats.Rate{stats.All}, []int64{50e6}, []int{150}, []time.Duration{10 * time.Millisecond})
	b := benchOn(t, bench.Plan{Cells: cells, Repeats: 1, MaxTime: 500 * time.Millisecond})
	r, err := b.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, r.Measured(), r.Cells)
	require.False(t, r.Cells[0].Samples[0].Converged)
	require.GreaterOrEqual(t, r.Cells[0].Samples[0].Values[stats.Total], 0.5)
}

// TestWhatFailsIsNamedAndNotTriedForEver: a device that can't migrate.
func TestWhatFailsIsNamedAndNotTriedForEver(t *testing.T) {
	b := benchOn(t, bench.Plan{Cells: usualCells("precopy")[:1], Repeats: 6, MaxTime: time.Second})
	artifacts := t.TempDir()
	b.Options.Artifacts = artifacts
	b.Options.Args = []string{"-object", "memory-backend-ram,id=m,size=1M,share=on", "-device", "ivshmem-plain,memdev=m,master=off"}
	r, err := b.Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, r.Measured())
	require.Len(t, r.Cells[0].Failures, 2)
	require.Contains(t, r.Cells[0].Failures[0], "migrate")
	left, err := os.ReadDir(artifacts)
	require.NoError(t, err)
	require.Len(t, left, 2, "what failed is kept, to be looked at")
}

func TestAQEMUThatDoesNotStartIsNoMeasurement(t *testing.T) {
	b := benchOn(t, bench.Plan{Cells: usualCells("precopy"), Repeats: 1, MaxTime: time.Second})
	b.Options.Args = []string{"-device", "nonsense"}
	r, err := b.Run(t.Context())
	require.ErrorContains(t, err, "nonsense")
	require.Zero(t, r.Measured())
	require.True(t, r.Interrupted)
}
