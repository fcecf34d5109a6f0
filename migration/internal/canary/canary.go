// Package canary writes values to registers of a guest's devices, through qtest, and
// reads them back where the guest is later: what a device does not carry over is seen so.
package canary

import (
	"context"
	"errors"
	"slices"

	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qtest"
)

// A cell is a port, or a register in memory, that qtest can read and write.
type cell struct {
	memory  bool
	address uint64
	size    int // in bytes
}

// register is one in memory, of 32 bits.
func register(address uint64) cell { return cell{memory: true, address: address, size: 4} }

func port(address uint16, size int) cell { return cell{address: uint64(address), size: size} }

func (c cell) write(ctx context.Context, q *qtest.Session, value uint32) error {
	switch {
	case c.memory && c.size == 1:
		return q.Writeb(ctx, c.address, uint8(value))
	case c.memory && c.size == 2:
		return q.Writew(ctx, c.address, uint16(value))
	case c.memory:
		return q.Writel(ctx, c.address, value)
	case c.size == 1:
		return q.Outb(ctx, uint16(c.address), uint8(value))
	case c.size == 2:
		return q.Outw(ctx, uint16(c.address), uint16(value))
	}
	return q.Outl(ctx, uint16(c.address), value)
}

func (c cell) read(ctx context.Context, q *qtest.Session) (value uint32, err error) {
	switch {
	case c.memory && c.size == 1:
		small, err := q.Readb(ctx, c.address)
		return uint32(small), err
	case c.memory && c.size == 2:
		small, err := q.Readw(ctx, c.address)
		return uint32(small), err
	case c.memory:
		return q.Readl(ctx, c.address)
	case c.size == 1:
		small, err := q.Inb(ctx, uint16(c.address))
		return uint32(small), err
	case c.size == 2:
		small, err := q.Inw(ctx, uint16(c.address))
		return uint32(small), err
	}
	return q.Inl(ctx, uint16(c.address))
}

// skip reads what a cell has so many times.
func (c cell) skip(ctx context.Context, q *qtest.Session, times int) error {
	for range times {
		if _, err := c.read(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// A write is a value that goes into a cell.
type write struct {
	cell
	value uint32
}

// A Canary is a register that keeps what was written to it, and that neither the
// guest program nor QEMU writes.
type Canary struct {
	Device string  // and which of its registers
	Value  uint32  // what was written
	plant  []write // in order
	ask    []write // before it is read
	cell           // where it is read
	keep   *cell   // what asking changes, and is to be as it was: a canary of its own
	more   *write  // where a bit says that there is more to read, of which the last counts
	mask   uint32  // the bits of it that count; 0 is all

	// put and get are how it is written and read, where it is no cell. Where there is only
	// get, the guest program has written it.
	put func(ctx context.Context, vm VM) error
	get func(ctx context.Context, vm VM) (uint32, error)

	// oneVCPU says that QEMU answers only where the machine has one vCPU: it would ask which
	// of several it is that reads.
	oneVCPU bool

	// fromXICSOn says that it takes pseries' RTAS for XICS, or one behind that in QEMU's list.
	fromXICSOn bool

	// afterFirmware says that a firmware which is still to run would take it for a broken device.
	afterFirmware bool
}

// For returns the canaries of the machine that a target's guest programs are for, with so
// many vCPUs; none where there are none. Devices that the guest program uses itself have none,
// nor have those that a firmware is still to use, where the guest has not run.
func For(arch string, vcpus int, guestUsesDevices, hasRun bool) []Canary {
	var all []Canary
	switch arch {
	case "x86_64", "i386":
		all = pc(guestUsesDevices)
	case "aarch64":
		all = aarch64(guestUsesDevices)
	case "ppc64":
		all = ppc64()
	case "riscv64":
		all = riscv64(guestUsesDevices)
	case "s390x":
		all = s390x()
	}
	return slices.DeleteFunc(all, func(c Canary) bool { return c.oneVCPU && vcpus != 1 || c.afterFirmware && !hasRun })
}

// A VM is what a canary is in.
type VM interface {
	QTest() *qtest.Session
	QMP() *qmp.Session
	SendBreak(ctx context.Context) error // over the console's line
}

// Plant writes the canary.
func (c Canary) Plant(ctx context.Context, vm VM) error {
	if c.put != nil {
		return c.put(ctx, vm)
	}
	q := vm.QTest()
	for _, w := range c.plant {
		if err := w.write(ctx, q, w.value); err != nil {
			return err
		}
	}
	return nil
}

// mostAnswers is more than any device's queue holds.
const mostAnswers = 300

// Read returns what the register holds now.
func (c Canary) Read(ctx context.Context, vm VM) (uint32, error) {
	found, err := c.readAll(ctx, vm)
	if c.mask != 0 {
		found &= c.mask
	}
	return found, err
}

func (c Canary) readAll(ctx context.Context, vm VM) (found uint32, err error) {
	if c.get != nil {
		return c.get(ctx, vm)
	}
	q := vm.QTest()
	if c.keep != nil {
		kept, err := c.keep.read(ctx, q)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, c.keep.write(ctx, q, kept)) }()
	}
	for _, w := range c.ask {
		if err := w.write(ctx, q, w.value); err != nil {
			return 0, err
		}
	}
	found, err = c.read(ctx, q)
	for n := 1; n < mostAnswers && c.more != nil && err == nil; n++ {
		var there uint32
		if there, err = c.more.read(ctx, q); err != nil || there&c.more.value == 0 {
			break
		}
		found, err = c.read(ctx, q)
	}
	return found, err
}
