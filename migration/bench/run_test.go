package bench_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
)

func TestX(t *testing.T) {
	_ = qemutest.Binary
	cells := bench.Cells(bench.MethodNames(), []stats.Rate{0, stats.All}, []int64{500e6}, []int{150}, []time.Duration{300 * time.Millisecond})
	b := bench.Bench{Plan: bench.Plan{Cells: cells, Repeats: 1, MaxTime: 3 * time.Second, Seed: 1}, Options: migration.Options{Arch: "x86_64", Source: "/root/.cache/drover/fleet/trixie/bin/qemu-system-x86_64", Artifacts: t.TempDir()}}
	b.Watch = func(e bench.Event) {
		if e.Over {
			t.Logf("%s %d/%d %v %s %s %s", time.Now().Format("05.000"), e.N, e.Of, e.Cell, e.Skipped, e.Failed, e.Dir)
			if e.Sample != nil {
				t.Logf("%v %v", e.Sample.Converged, e.Sample.Values)
			}
		}
	}
	r, err := b.Run(t.Context())
	require.NoError(t, err)
	text, err := r.GoFormat()
	require.NoError(t, err)
	t.Log(string(text))
}
