package migration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A tampering is done to a guest that has arrived and runs, and what the guest's pulse then
// has to tell.
type tampering struct {
	what    string
	fault   func(ctx context.Context, p *migration.Pair) error
	witness string
}

// ports writes bytes to ports of the destination, while its guest is paused, which uses the
// same ones.
func ports(writes ...[2]uint16) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		err := qapi.Stop(ctx, p.Destination.QMP())
		for _, w := range writes {
			err = errors.Join(err, p.Destination.QTest().Outb(ctx, w[0], uint8(w[1])))
		}
		return errors.Join(err, qapi.Cont(ctx, p.Destination.QMP()))
	}
}

// paused does something to the destination, while its guest is paused.
func paused(do func(ctx context.Context, d *migration.Side) error) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		return errors.Join(qapi.Stop(ctx, p.Destination.QMP()), do(ctx, p.Destination), qapi.Cont(ctx, p.Destination.QMP()))
	}
}

// word writes a word to a port of the destination.
func word(port, value uint16) func(ctx context.Context, p *migration.Pair) error {
	return paused(func(ctx context.Context, d *migration.Side) error { return d.QTest().Outw(ctx, port, value) })
}

// taken reads a byte from a port of the destination, which takes it out of a queue, a few
// times: in the moments in which the guest itself empties the queue, it takes nothing.
func taken(port uint16) func(ctx context.Context, p *migration.Pair) error {
	take := paused(func(ctx context.Context, d *migration.Side) error {
		_, err := d.QTest().Inb(ctx, port)
		return err
	})
	return func(ctx context.Context, p *migration.Pair) error {
		for range 5 {
			if err := take(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// registers writes words to registers of the destination's devices, in memory.
func registers(writes ...[2]uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) (err error) {
		for _, w := range writes {
			err = errors.Join(err, p.Destination.QTest().Writel(ctx, uint64(w[0]), w[1]))
		}
		return err
	}
}

func nothing(context.Context, *migration.Pair) error { return nil }

// patch changes one byte of the guest program itself, of the bytes that it is found by.
func patch(find string, at int, value byte) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		const loaded = 0x7c00
		i := bytes.LastIndex(p.Program.BootBlock, []byte(find))
		if i < 0 {
			return fmt.Errorf("the guest program has nowhere % x", find)
		}
		return p.Destination.QTest().Writeb(ctx, uint64(loaded+i+at), value)
	}
}

// tamperings are looked at together, one group after the other: the state of the CPU first,
// for which the guest goes on, and then what stops for good.
func tamperings() [][]tampering {
	return [][]tampering{{
		{"CR2", setRegister(gdbCR2, 0x1000, 8), "vCPU 0's state changed on the destination: CR2 (expected 0x2c2c2c2c, found 0x1000)"},
		{"how many bytes the UART's interrupt waits for", ports([2]uint16{0x3fa, 1}), "the UART's interrupt identification (IIR) (expected 0xc1, found 0xc4)"},
	}, {
		{"the base of FS", setRegister(gdbFSBase, 0x8000, 8), "vCPU 0's state changed on the destination: the base of FS, "},
		{"CR3", setRegister(gdbCR3, 0xc3d000, 8), ", CR3, "},
		{"x87's control word", setRegister(gdbFCW, 0x37f, 4), ", the x87 control and status words, "},
		{"MXCSR", setRegister(gdbMXCSR, 0x1f80, 4), ", MXCSR, "},
		{"an SSE register", setRegister(gdbXMM3, 7, 16), ", the SSE registers, "},
		{"EFER", setRegister(gdbEFER, 0, 8), ", EFER, "},
		{"KERNEL_GS_BASE", setRegister(gdbKernelGSBase, 0x1234, 8), ", KERNEL_GS_BASE"},
		// ltr takes only what is not in use, by what is in memory.
		{"a task state segment that is in use", patch("\x67\x00\x80\x29\x01\x89\x00\x00", 5, 0x89), ""},
		{"TR, LDTR and the AVX registers", execute(0, "\x66\xb8\x38\x00\x0f\x00\xd8"+ // mov $0x38, %ax; ltr %ax: that of vCPU 1, which has its own
			"\x31\xc0\x0f\x00\xd0"+ // xor %eax, %eax; lldt %ax
			"\xc5\xf8\x77"), ", TR, LDTR, the upper halves of the AVX registers, "}, // vzeroupper
		{"an MSR of the fourth vCPU", execute(3, "\x51\x52\xb9\x76\x01\x00\x00\x31\xc0\x31\xd2\x0f\x30\x5a\x59"), // SYSENTER_EIP, with ECX and EDX kept
			"vCPU 3's state changed on the destination: SYSENTER_EIP (expected 0x5e1b611b, found 0x0)"},
		{"the enabled general purpose events", ports([2]uint16{0xafe2, 0}), "devices changed on the destination: the enabled general purpose events (GPE0_EN), "},
		{"the enabled power management events", word(0x602, 0), "the enabled power management events (PM1_EN), "},
		{"power management's control", word(0x604, 1), "power management's control (PM1_CNT), "},
		{"the I/O APIC's last entry", registers([2]uint32{0xfec00000, 0x10 + 2*23}, [2]uint32{0xfec00010, 1 << 16}), "the I/O APIC's last entry, "},
		{"a byte that waits in the UART's FIFO", taken(0x3f8), "the UART's FIFO, "},
		{"a byte that waits in the keyboard's queue", taken(0x60), "the keyboard's queue"},
		{
			"the local APIC's task priority", patch("\xc7\x05\x80\x00\xe0\xfe\x30\x00\x00\x00", 6, 0x00),
			"interrupts changed on the destination: its pending interrupts (IRR)",
		},
		{
			"a counter as it was long ago", paused(func(ctx context.Context, d *migration.Side) error { return d.QTest().Writel(ctx, 0x1001c, 1) }),
			"the HPET's main counter went back on the way to the destination: ",
		},
		{"an exception", poke(0x10060, 1), "unexpected exceptions on the destination: 1, expected 0 (on top of its stack: [0x0 0x0])"},
	}, {
		{"the interval timer in one-shot mode", ports([2]uint16{0x43, 0x30}, [2]uint16{0x40, 2}, [2]uint16{0x40, 0}), "the interval timer (PIT) has stopped on the destination: "},
		{"the clock's interrupts off", ports([2]uint16{0x70, 0x0b}, [2]uint16{0x71, 0x02}), "the real-time clock's periodic interrupt has stopped on the destination: "},
		{"the clock's interrupts off, the alarm's", nothing, "the real-time clock's alarm has stopped on the destination: "},
		{"a line held down that was up", paused(func(ctx context.Context, d *migration.Side) error {
			return d.QTest().SetIRQIn(ctx, "/machine/i440fx/ioapic", "unnamed-gpio-in", 21, 0)
		}), "the level-triggered interrupt whose line stays up while the I/O APIC masks it has stopped on the destination: "},
		{"a vCPU that stops", execute(2, "\xfa\xf4\xeb\xfd"), "the loop of vCPU 2 has stopped on the destination: "}, // cli; hlt; jmp back
		{"its timer, which nobody serves then", nothing, "vCPU 2's local APIC timer has stopped on the destination: "},
		{"another vCPU deaf", execute(3, "\xfa\xf4\xeb\xfd"), "the IPI that wakes vCPU 3, which is halted, has stopped on the destination: "},
		{"the UART's FIFO off", ports([2]uint16{0x3fc, 0}, [2]uint16{0x3fa, 0}), "what waits in the UART's FIFO has stopped on the destination: "},
		{"another question to the keyboard", patch("\xb0\xf2\xe6\x60", 1, 0xf4), "what waits in the keyboard's queue has stopped on the destination: "},
		{"the HPET's interrupt masked in the I/O APIC", registers([2]uint32{0xfec00000, 0x10 + 2*20}, [2]uint32{0xfec00010, 1<<16 | 0x52}), "the HPET's timer 2 has stopped on the destination: "},
		{"the local APIC's timer masked", patch("\xc7\x05\x20\x03\xe0\xfe\x53\x00\x02\x00", 8, 3), "the local APIC's one-shot timer has stopped on the destination: "},
		{"vCPU 1 deaf", patch("\xfb\xf4\xe8", 1, 0xfa), "the IPI that wakes vCPU 1, which is halted, has stopped on the destination: "},
		{
			"a vCPU that never started",
			func(ctx context.Context, p *migration.Pair) error {
				return p.Destination.QTest().Writel(ctx, 0x1003c, 1)
			},
			"the vCPUs that the guest has started are 1 on the destination, expected 4",
		},
	}, {
		{"the HPET off", registers([2]uint32{0xfed00010, 0}), "the HPET's main counter has stopped on the destination: "},
		{
			"the ACPI registers no longer decoded",
			func(ctx context.Context, p *migration.Pair) error {
				q := p.Destination.QTest() // the PM function of the PIIX4, PMREGMISC
				return errors.Join(q.Outl(ctx, 0xcf8, 1<<31|1<<11|3<<8|0x80), q.Outb(ctx, 0xcfc, 0))
			},
			"the ACPI PM timer has stopped on the destination: ",
		},
	}, {
		{
			"a guest that is paused",
			func(ctx context.Context, p *migration.Pair) error { return qapi.Stop(ctx, p.Destination.QMP()) },
			"the destination's guest does not run: its run state is paused",
		},
	}}
}
