package migration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
)

// Numbers of riscv64's registers in GDB's protocol: 32 general ones, pc, 32 floating-point ones.
const (
	gdbGP = 3
	gdbS9 = 25
	gdbF0 = 33
)

// Where riscv64's virt machine has its devices, and the guest program its table.
const (
	riscvCLINT   = 0x2000000
	riscvPLIC    = 0xc000000
	riscvUART    = 0x10000000
	riscvRTC     = 0x101000
	riscvRAM     = 0x80000000
	riscvTable   = 0x80090000
	riscvIER     = riscvUART + 1
	riscvLCR     = riscvUART + 3
	riscvScratch = riscvUART + 7
)

// everyInstead writes another instruction over each of the guest program that is such a one.
func everyInstead(was, is uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		found := false
		for at := 0; at+4 <= len(p.Program.Kernel); at += 4 {
			if !bytes.Equal(p.Program.Kernel[at:at+4], binary.LittleEndian.AppendUint32(nil, was)) {
				continue
			}
			found = true
			if err := p.Destination.QTest().Writel(ctx, riscvRAM+uint64(at), is); err != nil {
				return err
			}
		}
		if !found {
			return errors.New("the guest program has no such instruction")
		}
		return nil
	}
}

// TestWhatARISCVGuestLostIsInItsPulse takes a QEMU that moves the guest's timers.
func TestWhatARISCVGuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	fleet := qemutest.Fleet(t, "riscv64")
	newest := fleet[len(fleet)-1]
	if slices.Contains([]string{"7.2", "10.0"}, qemutest.Version(t, newest)) {
		t.Skip(`QEMUs up to 10.0 lose the timers of such a guest (FOUND.md): "drover fleet fetch --arch riscv64 11.1" gets one that does not`)
	}
	const wfi, nop, allow, forbid = 0x10500073, 0x13, 0x30046073, 0x30047073 // csrrsi and csrrci of mstatus, 8
	requireNoticedInPulse(t, "riscv64", "pulse/smp2", [][]tampering{{
		{"a general register", setRegister(gdbS9, 7, 8), "vCPU 0's state changed on the destination: s9 (expected 0x8009100d, found 0x7)"},
	}, {
		{"another", setRegister(gdbGP, 7, 8), "vCPU 0's state changed on the destination: gp, s9"},
		{"a floating-point register", setRegister(gdbF0, 7, 8), ", f0"},
		{"an exception", poke(riscvTable+0x40, 1), "unexpected exceptions on the destination: 1, expected 0"},
		{"a vCPU that never started", poke(riscvTable+0x14, 1), "the vCPUs that the guest has started are 1 on the destination, expected 2"},
		{"a clock that goes back", registers([2]uint32{riscvRTC + 4, 5}, [2]uint32{riscvRTC, 5}), "the real-time clock went back"},
	}, {
		{"another priority", registers([2]uint32{riscvPLIC + 4*11, 6}), "interrupts changed on the destination: the real-time clock's interrupt's priority"},
		{"another line control", poke(riscvLCR, 2), ", its line control"},
		{"another scratch register", poke(riscvScratch, 2), ", its scratch register"},
	}, {
		{"vCPU 1 deaf", everyInstead(wfi, forbid), "the interrupt that wakes vCPU 1, which is halted, has stopped on the destination: "},
		{"its timer, which nobody serves then", nothing, "vCPU 1's timer has stopped on the destination: "},
	}, {
		{"the UART's interrupt not enabled", registers([2]uint32{riscvPLIC + 0x2000, 1 << 11}), "the UART's interrupt, which the PLIC's threshold holds back has stopped on the destination: "},
		{"which is seen at once", nothing, "changed on the destination: the PLIC's enabled interrupts, "},
		{"nor in the UART", poke(riscvIER, 0), ", the UART's enabled interrupts, "},
	}, {
		{"a timer far away", registers([2]uint32{riscvCLINT + 0x4004, 0x7fffffff}), "vCPU 0's timer has stopped on the destination: "},
	}})
}
