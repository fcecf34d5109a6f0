package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/steps"
)

func usualCells(methods ...string) []stats.Cell {
	return bench.Cells(methods, []stats.Rate{0, stats.All}, []int64{500e6}, []int{150}, []time.Duration{300 * time.Millisecond})
}

func TestCellsAreAllAxesWithEachOther(t *testing.T) {
	cells := bench.Cells([]string{"precopy", "xbzrle"}, []stats.Rate{0, 5, 9}, []int64{1e6, 2e6}, []int{128, 256}, []time.Duration{time.Millisecond, time.Second})
	require.Len(t, cells, 2*3*2*2*2)
	seen := map[stats.Cell]bool{}
	for _, c := range cells {
		require.False(t, seen[c], c)
		seen[c] = true
	}
	require.True(t, seen[stats.Cell{Method: "xbzrle", DirtyRate: 9, Bandwidth: 2e6, MemoryMiB: 128, DowntimeMS: 1000}])
}

func TestEachRoundHasEveryCellOnceInAnOrderOfItsOwn(t *testing.T) {
	p := bench.Plan{Cells: usualCells("precopy", "xbzrle", "multifd-4", "postcopy"), Repeats: 5, WarmUp: 2, MaxTime: time.Second, Seed: 42}
	turns := p.Order()
	require.Len(t, turns, 4*2+8*5)
	for i, turn := range turns[:8] {
		require.True(t, turn.WarmUp)
		require.Equal(t, []string{"precopy", "xbzrle", "multifd-4", "postcopy"}[i/2], turn.Method)
	}
	orders := map[string]bool{}
	for round := range 5 {
		counted, order := map[stats.Cell]int{}, ""
		for _, turn := range turns[8+8*round : 8+8*(round+1)] {
			require.False(t, turn.WarmUp)
			counted[turn.Cell]++
			order += turn.String() + "\n"
		}
		require.Len(t, counted, 8)
		orders[order] = true
	}
	require.Len(t, orders, 5, "rounds are shuffled each by itself")

	require.Equal(t, turns, p.Order(), "a seed makes one order")
	other := p
	other.Seed++
	require.NotEqual(t, turns, other.Order())
}

// TestEveryMethodIsAScenarioThatCanBeRun: drover run takes its text too.
func TestEveryMethodIsAScenarioThatCanBeRun(t *testing.T) {
	for _, cell := range usualCells(bench.MethodNames()...) {
		p := bench.Plan{MaxTime: time.Second}
		text, err := p.Text(cell)
		require.NoError(t, err)
		s, err := migration.Parse("x", "x", text, steps.Verbs())
		require.NoError(t, err, text)
		require.NoError(t, s.Check())
		require.Equal(t, cell.MemoryMiB, s.Guest.MemoryMiB)
		require.Contains(t, text, "set downtime-limit 300ms\n")
		require.Contains(t, text, "set max-bandwidth 500000000\n")
		require.Contains(t, text, "await convergence 1s\n")
		require.NotRegexp(t, `\{(memory|time)\}`, text)

		measured, err := p.Scenario(cell)
		require.NoError(t, err)
		require.NoError(t, measured.Check())
		require.Empty(t, measured.Proof)
		require.NotNil(t, measured.Proof, "nil stands for the usual proof")
		require.Len(t, measured.Steps, len(s.Steps))
		names := []string{}
		for _, step := range measured.Steps {
			names = append(names, step.Name)
		}
		require.Contains(t, names, "await switchover within 30s", "which the look at a guest that has moved goes by")
		p.Proof = true
		proven, err := p.Scenario(cell)
		require.NoError(t, err)
		require.Nil(t, proven.Proof)
	}
}

func TestTheGuestIsToldItsRate(t *testing.T) {
	for _, test := range []struct {
		arch string
		rate stats.Rate
		want string
	}{
		{"", 0, "guest tide 65536\nmemory 256MiB\n"},
		{"i386", 50e6, "guest tide 50000000\n"},
		{"x86_64", stats.All, "guest tide\n"},
		{"sparc64", 0, "memory 256MiB\nworkload 1\n"},
		{"sparc64", stats.All, "\nmemory 256MiB\n\n"},
	} {
		text, err := bench.Plan{Arch: test.arch, MaxTime: time.Second}.Text(stats.Cell{Method: "precopy", DirtyRate: test.rate, MemoryMiB: 256, Bandwidth: 1e6, DowntimeMS: 1})
		require.NoError(t, err)
		require.Contains(t, text, test.want)
	}
	for arch, says := range map[string]string{"sparc64": "no guest program for sparc64 can dirty 1kB/s", "x86_64": "at least 64KiB/s"} {
		_, err := bench.Plan{Arch: arch, MaxTime: time.Second}.Text(stats.Cell{Method: "precopy", DirtyRate: 1000, MemoryMiB: 256, Bandwidth: 1e6, DowntimeMS: 1})
		require.ErrorContains(t, err, says)
	}
}

func TestXBZRLEsCacheHoldsTheGuestsRAM(t *testing.T) {
	for mib, want := range map[int]string{150: "256MiB", 256: "256MiB", 257: "512MiB", 4096: "4GiB"} {
		text, err := bench.Plan{MaxTime: time.Second}.Text(stats.Cell{Method: "xbzrle", MemoryMiB: mib, Bandwidth: 1e6, DowntimeMS: 1})
		require.NoError(t, err)
		require.Contains(t, text, "set xbzrle-cache-size "+want+"\n")
	}
}

func TestAPlanThatCantBeDoneIsRefused(t *testing.T) {
	good := bench.Plan{Cells: usualCells("precopy"), Repeats: 1, MaxTime: time.Second}
	require.NoError(t, good.Check())
	for says, spoil := range map[string]func(p *bench.Plan){
		"the plan has no cell":                      func(p *bench.Plan) { p.Cells = nil },
		"each cell is measured 1 to 1000 times":     func(p *bench.Plan) { p.Repeats = 0 },
		"not 1001":                                  func(p *bench.Plan) { p.Repeats = 1001 },
		"the warm-up is 0 to 1000":                  func(p *bench.Plan) { p.WarmUp = -1 },
		"are more than 100000 migrations":           func(p *bench.Plan) { p.Repeats, p.Cells = 1000, make([]stats.Cell, 101) },
		"a migration has some time to converge":     func(p *bench.Plan) { p.MaxTime = 0 },
		`no method "precpy"; did you mean precopy?`: func(p *bench.Plan) { p.Cells[0].Method = "precpy" },
		"there are precopy, xbzrle":                 func(p *bench.Plan) { p.Cells[0].Method = strings.Repeat("z", 50) },
	} {
		p := good
		p.Cells = usualCells("precopy")
		spoil(&p)
		require.ErrorContains(t, p.Check(), says)
	}
}
