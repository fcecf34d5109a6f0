package migration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// A QEMU that was built without an accelerator, or whose has no such property, does not
// start with it: that is no failure of the scenario's.
func TestAcceleratorThatQEMULacksIsASkip(t *testing.T) {
	for accel, reason := range map[string]string{
		"hvf":              "has no accelerator hvf",
		"tcg,dirty-ring=1": "has an accelerator tcg without dirty-ring",
	} {
		t.Run(accel, func(t *testing.T) {
			s := scenario(t, "dirty_ring")
			s.Needs, s.Guest.Accel = nil, accel
			result := run(t, s, migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir()})
			require.Equal(t, record.Skip, result.Outcome, explain(result))
			require.Contains(t, result.Reason, reason)
		})
	}
}
