package examples

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
)

// A test that wants the QEMU that "drover run" takes, private copies too, asks the fleet.
func TestFleetFindsAQEMU(t *testing.T) {
	binary, err := fleet.Find("x86_64", fleet.Either, nil)
	if err != nil {
		t.Skip(err) // it names the way to get one
	}
	vm := launchertest.Start(t, launcher.Config{Binary: binary.Path, Machine: "none"})
	require.Equal(t, binary.Path, vm.Binary())
	for _, fact := range host.Facts() {
		if !fact.Have {
			t.Log(fact.Name, "costs", fact.Costs, "and", fact.Remedy, "helps")
		}
	}
}
