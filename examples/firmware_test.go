package examples

import (
	"testing"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
)

func TestFirmwareBoots(t *testing.T) {
	// With graphics=off a PC's firmware writes to the serial port, which is the console.
	vm := launchertest.Start(t, launcher.Config{Machine: "q35,graphics=off"})
	if _, err := vm.Console().Wait(t.Context(), 0, "SeaBIOS"); err != nil {
		t.Fatal(err)
	}
}
