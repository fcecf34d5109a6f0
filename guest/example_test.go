package guest_test

import (
	"fmt"
	"time"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
)

// A session is fed with what a guest writes to its port, on whichever side it is, and knows
// what the guest's workers found. The lines are made here, as the guest makes them.
func ExampleSession() {
	session, began := guest.NewSession(), time.Now()
	sequence := uint64(0)
	write := func(side string, verb wire.Verb, body any) {
		sequence++
		line, err := wire.New(sequence, time.Duration(sequence)*time.Millisecond, verb, body)
		if err != nil {
			panic(err)
		}
		session.Feed(side, began.Add(line.At), line.Append(nil))
	}
	write("source", wire.SaysHello, wire.Hello{Version: wire.Version, Kernel: "6.12.48", CPUs: 1})
	write("source", wire.SaysCounts, wire.Counts{Worker: "memory", Rounds: 1})
	fmt.Println("Linux", session.Hello().Kernel, "works:", session.Began([]string{"memory"}))

	write("destination", wire.SaysComplaint, wire.Complaint{Worker: "memory", Text: "page 7 is not what was written"})
	fmt.Println("complaints:", session.Workers()["memory"].Total)
	// Output:
	// Linux 6.12.48 works: true
	// complaints: 1
}

// What a Linux guest can have beside its memory and vCPUs.
func ExampleDeviceOf() {
	device, err := guest.DeviceOf("virtio-blk")
	fmt.Println(device.Workers, err)
	_, err = guest.DeviceOf("floppy")
	fmt.Println(err != nil)
	// Output:
	// [block] <nil>
	// true
}
