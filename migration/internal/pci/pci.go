// Package pci is the configuration space of PCI devices, as a PC's firmware and drivers read it
// (PCI Local Bus 3.0, 3.2.2.3.2 and 6.7).
package pci

import (
	"context"

	"github.com/drover-vm/drover/protocol/qtest"
)

// Ports by which a PC's configuration space is reached: what is written to Address chooses the
// register that is behind Data.
const (
	Address = 0xcf8
	Data    = 0xcfc
)

const enable = 1 << 31

// A Function is one of a device on a PC's first PCI bus.
type Function struct{ Slot, Number int }

// Chooses is what has to be written to Address for the 32 bits that have the register at an
// offset.
func (f Function) Chooses(offset uint32) uint32 {
	return enable | uint32(f.Slot)<<11 | uint32(f.Number)<<8 | offset&^3
}

// Read reads the 32 bits that have the register at an offset, and leaves it chosen.
func (f Function) Read(ctx context.Context, q *qtest.Session, offset uint32) (uint32, error) {
	if err := q.Outl(ctx, Address, f.Chooses(offset)); err != nil {
		return 0, err
	}
	return q.Inl(ctx, Data)
}

// A Capability is one of a function's.
type Capability struct {
	ID   uint8
	At   uint32 // its offset
	Head uint32 // its first 32 bits
}

const (
	statusAt        = 0x04
	hasCapabilities = 1 << 20
	capabilitiesAt  = 0x34
	most            = 48 // for which configuration space has room
)

// Capabilities are a function's, none where it has none or isn't there.
func (f Function) Capabilities(ctx context.Context, q *qtest.Session) (all []Capability, err error) {
	status, err := f.Read(ctx, q, statusAt)
	if err != nil || status == 1<<32-1 || status&hasCapabilities == 0 {
		return nil, err
	}
	next, err := f.Read(ctx, q, capabilitiesAt)
	for err == nil && next&0xfc != 0 && len(all) < most {
		c := Capability{At: next & 0xfc}
		c.Head, err = f.Read(ctx, q, c.At)
		c.ID = uint8(c.Head)
		all, next = append(all, c), c.Head>>8
	}
	return all, err
}
