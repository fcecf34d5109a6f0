package canary

import (
	"context"
	"errors"

	"github.com/drover-vm/drover/protocol/qmp"
)

// The canaries of the virt machines: where the devices are, is in QEMU's hw/arm/virt.c and
// hw/riscv/virt.c, and their registers in the devices' data sheets.

func aarch64(guestUsesDevices bool) []Canary {
	const gic, uart, rtc, gpio, flash, pci = 0x8000000, 0x9000000, 0x9010000, 0x9030000, 0x4000000, 0x4010000000
	priorities := at("the interrupt controller's priorities of interrupts 64 to 67", register(gic+0x440), 0xa0b0c0d0)
	priorities.oneVCPU = true
	all := []Canary{
		priorities,
		at("the UART's integer baud rate divisor", register(uart+0x24), 0x5a3c),
		at("the UART's fractional baud rate divisor", register(uart+0x28), 0x2a),
		at("the GPIO's directions", register(gpio+0x400), 0x5a),
		at("the GPIO's interrupt senses", register(gpio+0x404), 0xa5),
		inFlash(flash, 0x1000, 0x1234abcd),
		onPCI(pci),
		receivedByPL011(uart),
	}
	if guestUsesDevices {
		return all
	}
	return append(all, at("the clock's match register", register(rtc+0x4), 0xfedcba98))
}

// receivedByPL011 is what the console's UART has received and nobody has read: two breaks, which
// come from outside, for what the UART sends to itself goes to the console, too. It does that
// once, before, with the guest programs' heartbeat: so the breaks are not where the FIFO begins,
// and what is there is something else. On QEMU 7.2, which loops nothing back, they are.
func receivedByPL011(uart uint64) Canary {
	data, flags, line, control := register(uart), register(uart+0x18), register(uart+0x2c), register(uart+0x30)
	const (
		empty             = 1 << 4 // of the flags: there is nothing to read
		fifo              = 1 << 4 // of the line control
		loopBack          = 1 << 7 // of the control
		letter, lineBreak = 'B', 1 << 10
		mostReceived      = 16
	)
	take := func(ctx context.Context, vm VM) (all uint32, err error) {
		for range mostReceived {
			status, err := flags.read(ctx, vm.QTest())
			if err != nil || status&empty != 0 {
				return all, err
			}
			received, err := data.read(ctx, vm.QTest())
			if err != nil {
				return all, err
			}
			all = all<<12 | received
		}
		return all, nil
	}
	sendBreaks := func(ctx context.Context, vm VM) error {
		err := errors.Join(vm.SendBreak(ctx), vm.SendBreak(ctx))
		if _, refused := errors.AsType[*qmp.Error](err); refused {
			return nil // the console is not the launcher's
		}
		return err
	}
	return Canary{
		Device: "what has been received by the UART and not been read", cell: data, Value: lineBreak<<12 | lineBreak,
		put: func(ctx context.Context, vm VM) error {
			q := vm.QTest()
			was, err := control.read(ctx, q)
			if err != nil {
				return err
			}
			for _, w := range []write{{line, fifo}, {control, was | loopBack}, {data, letter}, {data, letter}, {control, was}} {
				if err := w.write(ctx, q, w.value); err != nil {
					return err
				}
			}
			if _, err := take(ctx, vm); err != nil {
				return err
			}
			return sendBreaks(ctx, vm)
		},
		get: func(ctx context.Context, vm VM) (uint32, error) {
			received, err := take(ctx, vm)
			if err != nil {
				return 0, err
			}
			return received, sendBreaks(ctx, vm)
		},
	}
}

func riscv64(guestUsesDevices bool) []Canary {
	const clint, plic, uart, rtc, flash, pci = 0x2000000, 0xc000000, 0x10000000, 0x101000, 0x22000000, 0x30000000
	all := []Canary{
		at("the interrupt controller's priority of source 90", register(plic+4*90), 5),
		at("the interrupt controller's sources 64 to 95 of hart 0", register(plic+0x2000+8), 0x10000000),
		inFlash(flash, 0x1000, 0x1234abcd),
		onPCI(pci),
	}
	if guestUsesDevices {
		return all
	}
	const compare, far = clint + 0x4000, 0x70000000
	alarm := at("the clock's alarm", register(rtc+0x8), 0x1234abcd)
	alarm.plant = append([]write{{register(rtc + 0xc), far}}, alarm.plant...)
	timer := at("hart 0's timer comparator", register(compare), 0x89abcdef)
	timer.plant = append([]write{{register(compare + 4), far}}, timer.plant...)
	return append(
		all, timer, alarm,
		at("hart 0's software interrupt", register(clint), 1),
		at("the interrupt controller's threshold of hart 0", register(plic+0x200000), 6),
		at("the UART's scratch register", cell{memory: true, address: uart + 7, size: 1}, 0xa5),
	)
}

// inFlash is a canary in a word of a flash memory of two chips side by side, each of 16
// bits, with Intel's commands.
func inFlash(flash, offset uint64, value uint32) Canary {
	const program, readArray = 0x400040, 0xff00ff
	word := register(flash + offset)
	c := at("a word of the second flash memory", word, value)
	c.plant = []write{{word, program}, {word, value}, {word, readArray}}
	return c
}

// onPCI is a canary in the interrupt line register, which QEMU keeps and does not look at,
// of the first function on a PCI bus whose configuration is in memory.
func onPCI(configuration uint64) Canary {
	const interruptLine = 0x3c
	c := at("the PCI host's interrupt line", register(configuration+interruptLine), 0x11)
	c.mask = 0xff
	return c
}
