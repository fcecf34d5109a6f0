package migration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

func vCPUTamperings() []linuxTampering {
	return []linuxTampering{
		{what: "registers of a thread that holds them", worker: "cpu", fault: inHold(map[int]int{8: 8, gdbFCW: 4, gdbMXCSR: 4, gdbXMM3: 16, gdbGSBase: 8, gdbST0: 10}), complaints: []string{
			`a register of vCPU [01] changed in the [0-9.]+ ms in which a thread held it: R8: expected 0x[0-9a-f]{16}, found 0x0000000000000040 `,
			`: the x87 control word: expected 0x0[0-9a-f]7f, found 0x0040 `,
			`: MXCSR: expected 0x0000[0-9a-f]{4}, found 0x00000040 `,
			`: XMM3: expected 0x[0-9a-f]{32}, found 0x00000000000000000000000000000040 `,
			`: the base of GS: expected 0x[0-9a-f]{16}, found 0x0000000000000040 `,
			`: ST[0-7]: expected 0x[0-9a-f]{20}, found 0x00000000000000000040 `,
		}},
		// The 0 is behind the kernel's own, and a line's end behind what the worker has read and keeps.
		{what: "what the kernel knows of its vCPUs", worker: "flags", fault: rewriteRAM(" CPU version 2.5+\x00", " CPU verzion 2.5+\x00"), complaints: []string{
			`^by /proc/cpuinfo the model name of vCPU [01] changed: expected "QEMU .*CPU version .*", found "QEMU .*CPU verzion .*" `,
		}},
	}
}

// interruptTamperings: nothing that needs these devices can be done after them, and they are
// noticed together.
func interruptTamperings() []linuxTampering {
	return []linuxTampering{
		{what: "the network device's interrupts are masked", fault: maskMSIX("1af4:1000")},
		{what: "what no longer interrupts it", worker: "interrupts", complaints: []string{
			`^no interrupt of virtio-net has come for [0-9.]+ s: expected their number to grow, found [0-9]+ all the time, while a worker waits for one` + onDestination,
			`^no interrupt of virtio-rng has come for `,
		}},
	}
}

// Numbers of registers in QEMU's gdb stub for x86_64.
const gdbGSBase, gdbST0 = 25, 33

// spinning is what a thread executes that holds registers: lea 1(%rax), %rax; lea -1(%rcx), %rcx.
const spinning = "488d4001" + "488d49ff"

// inHold sets registers, of so many bytes each, to 0x40 while a thread of the guest holds them
// and nobody but it uses them.
func inHold(sizes map[int]int) func(ctx context.Context, p *migration.Pair) error {
	set := func(gdb *gdbSession, vcpu int) (held bool, err error) {
		if err := gdb.choose(vcpu); err != nil {
			return false, err
		}
		at, err := gdb.read(gdbIP, 8)
		if err != nil || at>>47 != 0 { // in the kernel
			return false, err
		}
		code, err := gdb.reply(fmt.Sprintf("m%x,8", at))
		if err != nil || code != spinning {
			return false, err
		}
		for number, size := range sizes {
			err = errors.Join(err, gdb.write(number, 0x40, size))
		}
		return true, err
	}
	return whenever("a thread that holds registers", func(gdb *gdbSession) (held bool, err error) {
		for vcpu := 0; vcpu < 2 && !held && err == nil; vcpu++ {
			held, err = set(gdb, vcpu)
		}
		return held, err
	})
}

// deafen has a vCPU of the destination, which waits for an interrupt in its idle loop, wait with
// interrupts off: it never wakes up.
func deafen(vcpu int) func(ctx context.Context, p *migration.Pair) error {
	const interrupts = 1 << 9 // in its flags
	return whenever("the vCPU to be idle", func(gdb *gdbSession) (bool, error) {
		if err := gdb.choose(vcpu); err != nil {
			return false, err
		}
		at, err := gdb.read(gdbIP, 8)
		if err != nil {
			return false, err
		}
		flags, err := gdb.read(gdbFlags, 4)
		if err != nil || flags&interrupts == 0 {
			return false, err
		}
		code, err := gdb.reply(fmt.Sprintf("m%x,2", at-2))
		if err != nil || code != "fbf4" { // sti; hlt
			return false, err
		}
		return true, gdb.write(gdbFlags, flags&^interrupts, 4)
	})
}

// maskMSIX has the destination's PCI device with these numbers send no MSI-X message, behind its
// driver's back.
func maskMSIX(device string) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		table, err := regionOf(ctx, p, device, 1)
		for vector := range uint64(4) {
			if err == nil {
				err = p.Destination.QTest().Writel(ctx, table+16*vector+12, 1)
			}
		}
		return err
	}
}

// regionOf is where a region lies of the destination's PCI device with these numbers.
func regionOf(ctx context.Context, p *migration.Pair, device string, region int) (uint64, error) {
	text, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "info pci")
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(fmt.Sprintf(`(?s)PCI device %s.*?BAR%d: 32 bit (?:prefetchable )?memory at 0x([0-9a-f]+)`, device, region)).FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("no PCI device %s has a region %d: %s", device, region, text)
	}
	return strconv.ParseUint(found[1], 16, 64)
}

// rewriteRAM puts another text of the same length wherever in the destination's RAM that one is.
func rewriteRAM(text, other string) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		memory, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer memory.Close()
		found := 0
		for _, r := range memory.RAM() {
			held := make([]byte, r.End-r.Start)
			if _, err := memory.ReadAt(held, int64(r.Start)); err != nil {
				return err
			}
			for at := 0; ; found++ {
				i := bytes.Index(held[at:], []byte(text))
				if i < 0 {
					break
				}
				if err := p.Destination.QTest().WriteMemory(ctx, r.Start+uint64(at+i), []byte(other)); err != nil {
					return err
				}
				at += i + len(text)
			}
		}
		if found == 0 {
			return fmt.Errorf("%q is nowhere in RAM", text)
		}
		return nil
	}
}
