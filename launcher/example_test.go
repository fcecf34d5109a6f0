package launcher_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"
)

func TestGuestBoots(t *testing.T) {
	t.Setenv("PATH", asQEMU(t, qemutest.Binary(t, "x86_64"))+":"+os.Getenv("PATH"))
	program, _ := fixtures.For("x86_64")
	vm, err := launcher.Launch(t.Context(), launcher.Config{Program: &program})
	require.NoError(t, err)
	defer vm.Close()

	_, err = vm.Console().Wait(t.Context(), 0, "AB") // it has booted
	require.NoError(t, err)
	counter, err := vm.QTest().Readb(t.Context(), program.Start) // guest memory
	require.NoError(t, err)
	status, err := qapi.QueryStatus(t.Context(), vm.QMP())
	require.NoError(t, err)
	t.Log("running:", status.Running, "counter:", counter)
}

func ExampleLaunch() {
	ctx := context.Background()
	vm, err := launcher.Launch(ctx, launcher.Config{Machine: "none"})
	if err != nil {
		fmt.Println(err) // QEMU's own sentence, and the way out
		return
	}
	defer vm.Close()
	status, err := qapi.QueryStatus(ctx, vm.QMP())
	fmt.Println(status.Status, err)
}

// Two VMs that need each other get their slots on the machine together.
func ExampleReserve() {
	ctx := context.Background()
	source := launcher.Config{Name: "source", MemoryMiB: 512}
	destination := launcher.Config{Name: "destination", MemoryMiB: 512, Args: []string{"-incoming", "defer"}}
	slots, err := launcher.Reserve(ctx, source, destination)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer slots.Release()
	source.Reservation, destination.Reservation = slots, slots
	// Launch both.
}

// A path with a comma in it is inside one of QEMU's options.
func ExampleEscape() {
	fmt.Println("file=" + launcher.Escape("disks/old, but good.img") + ",format=raw")
	// Output: file=disks/old,, but good.img,format=raw
}

func ExampleVM_Diagnose() {
	ctx := context.Background()
	vm, err := launcher.Launch(ctx, launcher.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer vm.Close()
	if _, err := vm.Console().Wait(ctx, 0, "login:"); err != nil {
		fmt.Println(err)
		fmt.Println(vm.Diagnose(ctx))
	}
}
