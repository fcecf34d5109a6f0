package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoRateOfAMigrationThatHardlyRan: QEMU measures the rate while the guest runs, and a
// migration whose downtime took nearly all of its time is through before it has.
func TestNoRateOfAMigrationThatHardlyRan(t *testing.T) {
	for _, test := range []struct {
		downtime int64
		outcome  Outcome
	}{{100, Fail}, {940, Pass}} {
		r := good()
		miscounted(map[string]any{"pages-per-second": 0})(r)
		r.Migration.DowntimeMS = test.downtime
		outcome, witness := judgeCounts(r)
		require.Equal(t, test.outcome, outcome, "a downtime of %d ms: %s", test.downtime, witness)
	}
}

// TestNoRateOnABusyHost: nothing may have been sent in the last window.
func TestNoRateOnABusyHost(t *testing.T) {
	r := good()
	miscounted(map[string]any{"pages-per-second": 0})(r)
	r.Host = &HostFacts{Slowdown: 8}
	outcome, witness := judgeCounts(r)
	require.Equal(t, Pass, outcome, witness)
}

// TestNoRateOfLittleRAM: it is through within the first window in which QEMU measures, and in
// the last nothing is sent.
func TestNoRateOfLittleRAM(t *testing.T) {
	for _, test := range []struct {
		total float64
		wrong string
	}{{157818880, "0 pages a second"}, {5840896, ""}} {
		r := good()
		r.Migration.TotalMS, r.Migration.SetupMS, r.Migration.DowntimeMS = 477, 16, 6
		wrong := counts{total: test.total, transferred: 927906, mbps: 16.1}.wrongRate(r)
		require.Contains(t, wrong, test.wrong)
		require.Equal(t, test.wrong == "", wrong == "", wrong)
	}
}

// TestTotalIsWhatAllBlocksHold: a machine may have memory beside the guest's, and of a virtio-mem
// only what is plugged is sent.
func TestTotalIsWhatAllBlocksHold(t *testing.T) {
	const virtioMem = 512 << 20
	for _, c := range []struct {
		blocks  uint64
		more    int
		outcome Outcome
	}{{0, virtioMem, Fail}, {157818880 + virtioMem, virtioMem, Pass}, {157818880 + virtioMem, virtioMem + 4096, Fail}} {
		r := good()
		miscounted(map[string]any{"total": 157818880 + c.more})(r)
		r.BlocksBytes = c.blocks
		outcome, witness := judgeCounts(r)
		require.Equal(t, c.outcome, outcome, witness)
	}
}

func TestNumbersHaveNoExponent(t *testing.T) {
	for x, want := range map[float64]string{0.25: "0.25", 41.75: "41.8", 999.4: "999", 999.6: "1000", 1650.4: "1650", -999.9: "-1000"} {
		require.Equal(t, want, number(x))
	}
}
