package examples

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
)

// What "drover preflight SRC DST -- -device virtio-net-pci" predicts, here from one QEMU to itself and
// to each other that is known on this machine.
func TestUpgradesArePredicted(t *testing.T) {
	source := qemu(t)
	var asked migration.Describer // asks each QEMU once
	predict := func(destination string) (*preflight.Report, error) {
		return asked.Preflight(t.Context(), migration.Options{
			Source: source, Destination: destination, Args: []string{"-device", "virtio-net-pci"},
		})
	}
	report, err := predict(source)
	require.NoError(t, err)
	require.Equal(t, preflight.Completes, report.Prediction.Outcome, report.Prediction)
	for _, other := range (fleet.Fleet{}).All() {
		if other.Arch != "x86_64" {
			continue
		}
		report, err := predict(other.Path)
		if err != nil {
			t.Log(other.Path, err) // without a machine type that both have, say
			continue
		}
		t.Log(report.Source, "->", report.Destination, report.Machine, report.Prediction)
	}
}
