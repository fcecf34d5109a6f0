package fleet_test

import (
	"errors"
	"fmt"

	"github.com/drover-vm/drover/fleet"
)

// Without a QEMU in its environment, in PATH and in the cache folder, a program says how to
// get one. A nil environment is the process's own.
func ExampleFind() {
	empty := func(string) string { return "" }
	_, err := fleet.Find("x86_64", fleet.Either, empty)
	if missing, ok := errors.AsType[*fleet.NotFoundError](err); ok {
		fmt.Println("there is no QEMU for", missing.Arch)
	}
	_, err = fleet.Find("x68_64", fleet.Either, empty)
	fmt.Println(errors.As(err, new(*fleet.UnknownArchError)))
	// Output:
	// there is no QEMU for x86_64
	// true
}

// What can be fetched, here or on another host with apt.
func ExampleReleases() {
	for _, r := range fleet.Releases() {
		fmt.Println(r.QEMU, r.Suite)
	}
	// Output:
	// 5.2 bullseye
	// 7.2 bookworm
	// 10.0 trixie
	// 11.1 trixie-backports
}
