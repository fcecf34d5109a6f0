package canary

// The canaries of the virt machines: where the devices are, is in QEMU's hw/arm/virt.c and
// hw/riscv/virt.c, and their registers in the devices' data sheets.

func aarch64() []Canary {
	const gic, uart, rtc, gpio, flash, pci = 0x8000000, 0x9000000, 0x9010000, 0x9030000, 0x4000000, 0x4010000000
	priorities := at("the interrupt controller's priorities of interrupts 64 to 67", register(gic+0x440), 0xa0b0c0d0)
	priorities.oneVCPU = true
	return []Canary{
		priorities,
		at("the UART's integer baud rate divisor", register(uart+0x24), 0x5a3c),
		at("the UART's fractional baud rate divisor", register(uart+0x28), 0x2a),
		at("the clock's match register", register(rtc+0x4), 0xfedcba98),
		at("the GPIO's directions", register(gpio+0x400), 0x5a),
		at("the GPIO's interrupt senses", register(gpio+0x404), 0xa5),
		inFlash(flash, 0x1000, 0x1234abcd),
		onPCI(pci),
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
