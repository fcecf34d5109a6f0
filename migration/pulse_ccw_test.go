package migration_test

import (
	"bytes"
	"context"
	"errors"
	"math/bits"
	"testing"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qapi"
)

// Numbers of s390x's registers in GDB's protocol: the PSW, 16 general ones, 16 access
// registers, FPC, 16 floating-point ones, the lower halves of 16 vector registers, 16 whole
// ones, 4 of the guarded storage facility, 16 control registers.
const (
	gdbR6   = 8
	gdbR9   = 11
	gdbA5   = 23
	gdbFPC  = 34
	gdbF4   = 39
	gdbV20  = 71
	gdbCR13 = 100
)

// s390xTable is where the guest program has its table, of words whose last byte is the lowest.
const s390xTable = 0x10000

// setBig is setRegister for a machine whose bytes are in the other order.
func setBig(number int, value uint64, size int) func(ctx context.Context, p *migration.Pair) error {
	return setRegister(number, bits.ReverseBytes64(value)>>(64-8*min(size, 8)), size)
}

// inFile writes other bytes over all of the guest program that are like these.
func inFile(was, is string) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		const loaded = 0x2000
		kernel, found := p.Program.Kernel, false
		for at := 0; at+len(was) <= len(kernel); at += 2 {
			if !bytes.HasPrefix(kernel[at:], []byte(was)) {
				continue
			}
			found = true
			if err := p.Destination.QTest().WriteMemory(ctx, loaded+uint64(at), []byte(is)); err != nil {
				return err
			}
		}
		if !found {
			return errors.New("the guest program has no such bytes")
		}
		return nil
	}
}

// TestWhatAnS390XGuestLostIsInItsPulse tampers with four vCPUs: what stops the most is last.
func TestWhatAnS390XGuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	// What the guest has in CR0, but for a moment every fourth round, and then.
	const holds, letsIn = "\x00\x00\x00\x00\x00\x06\x4c\xe0", "\x00\x00\x00\x00\x00\x06\x6e\xe0"
	requireNoticedInPulse(t, "s390x", "pulse/smp2", [][]tampering{{
		{"a general register", setBig(gdbR6, 7, 8), "vCPU 0's state changed on the destination: r6 (expected 0x11006, found 0x7)"},
	}, {
		{"an access register", setBig(gdbA5, 7, 4), "the access registers, "},
		{"a floating-point register", setBig(gdbF4, 7, 8), ", f4, "},
		{"a vector register", setBig(gdbV20, 7, 16), ", the vector registers, "},
		{"the floating-point control register", setBig(gdbFPC, 0, 4), ", FPC, "},
		{"a control register", setBig(gdbCR13, 7, 8), "CR13, "},
	}, {
		{"an exception", poke(s390xTable+0x43, 1), "unexpected exceptions on the destination: 1, expected 0"},
		{"a vCPU that never started", poke(s390xTable+0x13, 3), "the vCPUs that the guest has started are 3 on the destination, expected 4"},
		{"a clock that goes back", poke(s390xTable+0x88, 0xff), "clocks changed on the destination: the TOD clock went back"},
		{"another number", poke(s390xTable+0x206f, 9), "the CPU address"},
		{"an alarm that is far away", poke(s390xTable+0x90, 0xff), "the alarm by the TOD clock has stopped on the destination: "},
	}, {
		// The vCPU's number, from which follows what both are to be.
		{"other lowest pages, and another number for SCKPF", setBig(gdbR9, 7, 8), ", the prefix register, the TOD programmable register, "},
	}, {
		// SCKC of when the CPU timer is at 0.
		{"another clock comparator", inFile("\xb2\x06\xb0\x38", "\xb2\x06\xb0\x40"), ", the clock comparator"},
		// SPKA instead of a call of the SCLP.
		{"another key", inFile("\xb2\x20\x00\x23", "\xb2\x0a\x00\x50"), ", the PSW's key and masks, "},
		{"which ends service signals", nothing, "the service signal that CR0 holds back has stopped on the destination: "},
	}, {
		{"external calls masked for good", inFile(letsIn, "\x00\x00\x00\x00\x00\x06\x4e\xe0"), "the external call that CR0 holds back has stopped on the destination: "},
	}, {
		{"the clock comparator masked", inFile(holds, "\x00\x00\x00\x00\x00\x06\x44\xe0"), "vCPU 0's state changed on the destination: CR0, "},
		{"for good", inFile(letsIn, "\x00\x00\x00\x00\x00\x06\x66\xe0"), "vCPU 0's clock comparator has stopped on the destination: "},
	}, {
		{"no emergency signals", inFile("\xae\x13\x00\x03", "\xae\x13\x00\x01"), "the emergency signal that wakes vCPU 1, which waits, has stopped on the destination: "},
		{"which the other doesn't get either", nothing, "the emergency signal that wakes vCPU 3, which waits, has stopped on the destination: "},
	}, {
		{"a loop that has no end", inFile("\xa7\x17\x00\x00", "\xa7\xf4\x00\x00"), "the loop of vCPU 2 has stopped on the destination: "},
	}, {
		// SPT of the TOD clock, which is behind the comparator that it stores to.
		{"CPU timers far away", inFile("\xb2\x08\xb0\x60", "\xb2\x08\xb0\x30"), "vCPU 1's CPU timer has stopped on the destination: "},
		{"of each vCPU", nothing, "vCPU 0's CPU timer has stopped on the destination: "},
		{"which is seen at once", nothing, ", the CPU timer beside the TOD clock"},
	}, {
		{
			"a guest that is paused",
			func(ctx context.Context, p *migration.Pair) error { return qapi.Stop(ctx, p.Destination.QMP()) },
			"the destination's guest does not run: its run state is paused",
		},
	}}, "-smp", "4")
}
