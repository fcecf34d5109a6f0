package migration

import (
	"context"
	"errors"
	"slices"

	"github.com/drover-vm/drover/protocol/qtest"

	"github.com/drover-vm/drover/migration/record"
)

// A cell is a port, or a register in memory, that qtest can read and write.
type cell struct {
	memory  bool
	address uint64
	size    int // in bytes
}

func port(address uint16, size int) cell { return cell{address: uint64(address), size: size} }

func (c cell) write(ctx context.Context, q *qtest.Session, value uint32) error {
	switch {
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

// A write is a value that goes into a cell.
type write struct {
	cell
	value uint32
}

// A canary is a register that keeps what was written to it, and that neither the
// guest program nor QEMU writes.
type canary struct {
	device string
	plant  []write // in order
	ask    []write // before it is read
	cell           // where it is read
	more   *write  // where a bit says that there is more to read, of which the last counts
	value  uint32  // what stands there
	mask   uint32  // the bits of it that count; 0 is all
}

func (c canary) read(ctx context.Context, q *qtest.Session) (uint32, error) {
	for _, w := range c.ask {
		if err := w.write(ctx, q, w.value); err != nil {
			return 0, err
		}
	}
	found, err := c.cell.read(ctx, q)
	for n := 1; n < mostAnswers && c.more != nil && err == nil; n++ {
		var there uint32
		if there, err = c.more.read(ctx, q); err != nil || there&c.more.value == 0 {
			break
		}
		found, err = c.cell.read(ctx, q)
	}
	if c.mask != 0 {
		found &= c.mask
	}
	return found, err
}

// mostAnswers is more than any device's queue holds.
const mostAnswers = 300

// plantCanaries writes each canary on the source, and keeps in mind those that a
// machine like this has: they are a PC's, and not every PC has them all.
func (p *Pair) plantCanaries(ctx context.Context) error {
	if !isPC(p.Facts.Arch) {
		return nil
	}
	q := p.Source.QTest()
	for _, c := range canaries() {
		for _, w := range c.plant {
			if err := w.write(ctx, q, w.value); err != nil {
				return err
			}
		}
		found, err := c.read(ctx, q)
		if err != nil {
			return err
		}
		if found == c.value {
			p.planted = append(p.planted, c)
		}
	}
	if len(p.planted) == 0 {
		return errors.New("no device of this machine keeps what is written to its registers")
	}
	return nil
}

// seeCanaries gathers what has become of them on a side whose guest stands.
func (p *Pair) seeCanaries(ctx context.Context, s *Side) error {
	p.Facts.Devices = nil
	for _, c := range slices.Backward(p.planted) { // to look at one may write to another that came before
		found, err := c.read(ctx, s.QTest())
		if err != nil {
			return err
		}
		p.Facts.Devices = append(p.Facts.Devices, record.DeviceFacts{Register: c.device, Planted: c.value, Found: found})
	}
	return nil
}

// SeeCanaries gathers what has become on the destination of the values that were
// written to devices' registers when the guest had booted.
func SeeCanaries() Step {
	return Step{Name: "see the devices' canaries", Do: func(ctx context.Context, p *Pair) error {
		return p.seeCanaries(ctx, p.Destination)
	}}
}

// SeeSourceCanaries is the same for a guest that has stayed on the source.
func SeeSourceCanaries() Step {
	return Step{Name: "see the canaries on the source", Do: func(ctx context.Context, p *Pair) error {
		return p.seeCanaries(ctx, p.Source)
	}}
}
