package migration_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
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

// A QEMU that is too old for what a scenario needs may not even start with its command line. One
// that is new enough, and does not start, is an error.
func TestQEMUThatIsTooOldToStartIsASkip(t *testing.T) {
	t.Parallel()
	start := func(since migration.Release) (*record.Result, error) {
		s := migration.Scenario{
			Name: "x", Doc: "x", Needs: []migration.Need{migration.SchemaPath{Path: "object-add qom-type=novelty", Since: since}},
			Steps: migration.Steps{steps.Boot()},
		}
		s.Guest.SourceArgs = []string{"-object", "novelty,id=x"}
		return s.Run(t.Context(), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir()})
	}
	result, err := start("99.0")
	require.NoError(t, err)
	require.Equal(t, record.Skip, result.Outcome, result.Reason)
	require.Contains(t, result.Reason, `did not start, and "object-add qom-type=novelty" in QMP's schema came with 99.0`)

	_, err = start("1.0")
	_, neverBegan := errors.AsType[*migration.StartError](err)
	require.True(t, neverBegan, "%v", err)
}

// TestALinuxGuestWithANetworkDeviceHasGlobals: which properties there are is asked of a QEMU that
// has no machine, and so none of the guest's devices to be connected.
func TestALinuxGuestWithANetworkDeviceHasGlobals(t *testing.T) {
	t.Parallel()
	s, err := parse(`
guest linux with virtio-net
global virtio-net-device.packed=on
boot
ends on source
`)
	require.NoError(t, err)
	result := judged(t, s, linuxOptions(t, "x86_64"))
	require.NoError(t, result.Err(), explain(result))
	require.Contains(t, result.Record.Source.CommandLine, "virtio-net-device.packed=on")
}
