package probe_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/launcher/probe"
)

// A program that is no QEMU is told apart from one that is.
func ExampleInspect() {
	info, err := probe.Inspect(context.Background(), "/bin/true")
	if notQEMU, ok := errors.AsType[*probe.NotQEMUError](err); ok {
		fmt.Println(notQEMU.Path, "is no QEMU")
		return
	}
	fmt.Println(info.Version, "has", len(info.Machines), "machine types, KVM:", info.HasAccelerator("kvm"))
	// Output: /bin/true is no QEMU
}

// Both sides of a migration have the same machine type: the newest that both know.
func ExampleSharedMachine() {
	old := []probe.Machine{{Name: "q35", Alias: "pc-q35-7.2"}, {Name: "pc-q35-7.2"}, {Name: "pc-q35-7.1"}}
	newer := []probe.Machine{{Name: "q35", Alias: "pc-q35-10.0"}, {Name: "pc-q35-10.0"}, {Name: "pc-q35-7.2"}, {Name: "pc-q35-7.1"}}
	machine, err := probe.SharedMachine(old, newer, "q35,smm=off")
	fmt.Println(machine, err)
	_, err = probe.SharedMachine(old, []probe.Machine{{Name: "virt-10.0"}}, "q35")
	fmt.Println(errors.As(err, new(*probe.NoCommonMachineError)))
	// Output:
	// pc-q35-7.2,smm=off <nil>
	// true
}
