package canary

import (
	"context"
	"slices"
)

// pc returns the canaries of a PC (QEMU's pc, i440FX and PIIX), at least one for each
// device that QEMU carries over and that can be reached from outside. Where they
// are, is in QEMU's hw/i386/pc.c and in the chips' data sheets. Where the guest uses its
// devices, those are left out that are in registers which it uses itself, or reached through
// such.
func pc(guestUsesDevices bool) []Canary {
	all := slices.Concat(isaCanaries(), pciCanaries(), memoryCanaries(), []Canary{fwCfg(), identification()})
	if guestUsesDevices {
		all = slices.DeleteFunc(all, func(c Canary) bool {
			for _, w := range append(c.plant, write{cell: c.cell}) {
				if slices.Contains(usedByGuests, w.address) {
					return true
				}
			}
			return false
		})
	}
	return all
}

// usedByGuests are the keyboard controller, PM1_EN and the I/O APIC.
var usedByGuests = []uint64{0x60, 0x64, 0x602, 0xfec00000}

// at is a canary in a register of its own.
func at(device string, c cell, value uint32) Canary {
	return Canary{Device: device, plant: []write{{c, value}}, cell: c, Value: value}
}

// behind is a canary in a register that is chosen through another.
func behind(device string, choice cell, number uint32, c cell, value uint32) Canary {
	choose := write{choice, number}
	return Canary{Device: device, plant: []write{choose, {c, value}}, ask: []write{choose}, cell: c, Value: value}
}

func isaCanaries() []Canary {
	rtc, rtcData := port(0x70, 1), port(0x71, 1)
	keyboard, keyboardData := port(0x64, 1), port(0x60, 1)
	timer, timer2 := port(0x43, 1), port(0x42, 1)
	const (
		readKeyboardMode, writeKeyboardMode = 0x20, 0x60
		keyboardMode                        = 0x54 // translation, both ports off: no interrupt comes of it
		toMouse, outputFull                 = 0xd4, 1
		setMouseRate, mouseRate, askMouse   = 0xf3, 40, 0xe9 // a hundred a second after a reset; the answer's last byte
		timer2Mode                          = 0x38           // both bytes, mode 4
		latchTimer2Status                   = 0xe8
	)
	return []Canary{
		at("the serial port's scratch register", port(0x3ff, 1), 0xa5),
		behind("CMOS byte 0x50", rtc, 0x50, rtcData, 0x5a),
		behind("CMOS byte 0x7f", rtc, 0x7f, rtcData, 0xc3),
		at("the first interrupt controller's mask", port(0x21, 1), 0xbb),
		at("the second interrupt controller's mask", port(0xa1, 1), 0x7d),
		at("the first interrupt controller's levels", port(0x4d0, 1), 0x28),
		at("the first DMA controller's page register of channel 0", port(0x87, 1), 0x3c),
		at("the second DMA controller's page register of channel 5", port(0x8b, 1), 0x96),
		{
			Device: "the keyboard controller's mode",
			plant:  []write{{keyboard, writeKeyboardMode}, {keyboardData, keyboardMode}},
			ask:    []write{{keyboard, readKeyboardMode}}, cell: keyboardData, Value: keyboardMode,
		},
		{
			Device: "the mouse's sample rate",
			plant:  []write{{keyboard, toMouse}, {keyboardData, setMouseRate}, {keyboard, toMouse}, {keyboardData, mouseRate}},
			ask:    []write{{keyboard, toMouse}, {keyboardData, askMouse}},
			cell:   keyboardData, more: &write{keyboard, outputFull}, Value: mouseRate,
		},
		{
			Device: "the interval timer's mode of counter 2",
			plant:  []write{{timer, 2<<6 | timer2Mode}}, ask: []write{{timer, latchTimer2Status}},
			cell: timer2, mask: 0x3f, Value: timer2Mode,
		},
		{Device: "the speaker's gate", plant: []write{{port(0x61, 1), 2}}, cell: port(0x61, 1), mask: 3, Value: 2},
		at("the floppy controller's digital output register", port(0x3f2, 1), 0x2c),
		at("the disk's sector count register", port(0x1f2, 1), 0x5c),
		at("power management's data port", port(0xb3, 1), 0x6d),
		at("power management's enabled events", port(0x602, 2), 0x100),
		at("the SMBus controller's data register", port(0x705, 1), 0x39),
		at("the bus that PCI hotplug has selected", port(0xae10, 4), 0x1d),
		at("the bus that PCI hotplug of a q35 has selected", port(0xcd0, 4), 0x1d),
	}
}

// pciCanaries are the interrupt line registers of the functions that every i440FX
// machine has, which QEMU keeps and does not look at, and the register that the
// functions' are reached through.
func pciCanaries() []Canary {
	address, data := port(0xcf8, 4), port(0xcfc, 1)
	const enable, interruptLine = 1 << 31, 0x3c
	function := func(device, number uint32) uint32 { return enable | device<<11 | number<<8 | interruptLine }
	return []Canary{
		behind("the PCI host's interrupt line", address, function(0, 0), data, 0x11),
		behind("the ISA bridge's interrupt line", address, function(1, 0), data, 0x22),
		behind("the IDE controller's interrupt line", address, function(1, 1), data, 0x33),
		behind("power management's interrupt line", address, function(1, 3), data, 0x44),
		at("the PCI host's address register", address, function(0, 0)),
	}
}

func memoryCanaries() []Canary {
	ioapic, ioapicData := register(0xfec00000), register(0xfec00010)
	const lastEntry, masked = 0x10 + 2*23, 1 << 16
	return []Canary{
		behind("the I/O APIC's last entry", ioapic, lastEntry, ioapicData, masked|0x77),
		at("the HPET's comparator of timer 1", register(0xfed00128), 0x1234abcd),
	}
}

// fwCfg is how far the firmware configuration device (QEMU's docs/specs/fw_cfg.rst) has been
// read: of its directory all that is before the lower byte of the first file's key, which is
// 0x20 on every machine.
func fwCfg() Canary {
	choose, data := port(0x510, 2), port(0x511, 1)
	const (
		directory = 0x19
		before    = 9 // the number of files, and the first one's size and upper byte of its key
	)
	readUpToKey := func(ctx context.Context, vm VM) error {
		if err := choose.write(ctx, vm.QTest(), directory); err != nil {
			return err
		}
		return data.skip(ctx, vm.QTest(), before)
	}
	return Canary{
		Device: "what has been read of the firmware configuration", cell: data, Value: 0x20, put: readUpToKey,
		get: func(ctx context.Context, vm VM) (uint32, error) {
			next, err := data.read(ctx, vm.QTest())
			if err != nil {
				return 0, err
			}
			return next, readUpToKey(ctx, vm)
		},
	}
}

// identification is how far a disk's identification (ATA's IDENTIFY DEVICE) has been read, a word
// at a time: up to the blanks behind the model's name, "QEMU HARDDISK". There are a dozen, and
// it is asked for anew when all have been read.
func identification() Canary {
	data, command, control := port(0x1f0, 2), port(0x1f7, 1), port(0x3f6, 1)
	const (
		identify, requested, noDisk, noInterrupts = 0xec, 8, 0xff, 2
		words, before                             = 256, 35
		blanks, behindBlanks                      = 0x2020, 0x8010
	)
	readUpToBlanks := func(ctx context.Context, vm VM) error {
		q := vm.QTest()
		if err := control.write(ctx, q, noInterrupts); err != nil {
			return err
		}
		for range words { // what is left of the last one: a disk takes no command before
			status, err := control.read(ctx, q)
			if err != nil || status == noDisk {
				return err
			}
			if status&requested == 0 {
				break
			}
			if _, err := data.read(ctx, q); err != nil {
				return err
			}
		}
		if err := command.write(ctx, q, identify); err != nil {
			return err
		}
		return data.skip(ctx, q, before)
	}
	return Canary{
		Device: "what has been read of the disk's identification", cell: data, Value: blanks, put: readUpToBlanks, afterFirmware: true,
		get: func(ctx context.Context, vm VM) (uint32, error) {
			next, err := data.read(ctx, vm.QTest())
			if err != nil || next != behindBlanks {
				return next, err
			}
			if err := readUpToBlanks(ctx, vm); err != nil {
				return 0, err
			}
			return data.read(ctx, vm.QTest())
		},
	}
}
