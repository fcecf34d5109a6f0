package migration_test

import "testing"

// TestWhatAPPC64GuestLostOfItsXIVEIsInItsPulse: what is not XIVE's is the same as for XICS.
func TestWhatAPPC64GuestLostOfItsXIVEIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	wakesCededVCPUs(t)
	const hcall1, epow, hotplug = 0x44000022, 0x38a01000, 0x38a01001                                         // sc 1; li r5, of a source each
	another := ppc{0xe8a000b0, 0x38a50011, 0x38800001, 0x38c00003, 0x38600040, hcall1}                       // H_LOGICAL_CI_STORE to the TIMA
	event := ppc{0x38800002, 0x38a01100, 0x38c00000, 0x38e00006, 0x39000007, 0x386003ac, hcall1}             // H_INT_SET_SOURCE_CONFIG
	queue := ppc{0x38800001, 0x38a00000, 0x38c00002, 0x3ce00009, 0x60e75000, 0x3900000c, 0x386003b8, hcall1} // H_INT_SET_QUEUE_CONFIG
	off := func(source uint32) ppc {                                                                         // H_INT_ESB
		return ppc{0x38800000, 0x38a00000 | source, 0x38c00d00, 0x386003c8, hcall1}
	}
	requireNoticedInPulse(t, "ppc64", "pulse/xive/smp2", [][]tampering{{
		{"the priority of the interrupt in service", executePPC(0, hcall(0, another)), "interrupts and translation changed on the destination: the priority of the interrupt in service (CPPR) (expected 0x2, found 0x3)"},
	}, {
		{"the terminal's event", executePPC(0, hcall(0, event)), "the priority of the interrupt in service (CPPR) (expected 0x2, found 0x3), the terminal's source"},
	}, {
		{"where events go", executePPC(0, hcall(0, queue)), ", the event in service in its queue"},
	}, {
		{"the terminal's interrupt off", executePPC(0, hcall(0, off(0x1100))), "what waits in the terminal's queue changed on the destination: the terminal's interrupt, which waits with them"},
		{"vCPU 1's interrupt off", executePPC(0, hcall(0, off(1))), "the IPI that wakes vCPU 1, which is halted, has stopped on the destination: "},
	}, {
		{"no interrupt that waits", everyPPC(epow, hotplug), "the interrupt that waits until the one in service is over has stopped on the destination: "},
		{"nor is one pending", nothing, ", those that wait (IPB), "},
	}})
}
