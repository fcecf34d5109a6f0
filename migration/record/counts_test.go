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
