package qtest

import (
	"context"
	"encoding/binary"
	"sync/atomic"
)

// Readb reads the byte at a guest-physical address.
func (s *Session) Readb(ctx context.Context, addr uint64) (uint8, error) {
	v, err := s.readInteger(ctx, "readb", addr, 1)
	return uint8(v), err
}

// Readw reads two bytes at a guest-physical address as a number in the guest's byte order.
func (s *Session) Readw(ctx context.Context, addr uint64) (uint16, error) {
	v, err := s.readInteger(ctx, "readw", addr, 2)
	return uint16(v), err
}

// Readl reads four bytes at a guest-physical address as a number in the guest's byte order.
func (s *Session) Readl(ctx context.Context, addr uint64) (uint32, error) {
	v, err := s.readInteger(ctx, "readl", addr, 4)
	return uint32(v), err
}

// Readq reads eight bytes at a guest-physical address as a number in the guest's byte order.
func (s *Session) Readq(ctx context.Context, addr uint64) (uint64, error) {
	return s.readInteger(ctx, "readq", addr, 8)
}

// Writeb writes a byte to a guest-physical address.
func (s *Session) Writeb(ctx context.Context, addr uint64, v uint8) error {
	return s.writeInteger(ctx, "writeb", addr, 1, uint64(v))
}

// Writew writes a number as two bytes in the guest's byte order.
func (s *Session) Writew(ctx context.Context, addr uint64, v uint16) error {
	return s.writeInteger(ctx, "writew", addr, 2, uint64(v))
}

// Writel writes a number as four bytes in the guest's byte order.
func (s *Session) Writel(ctx context.Context, addr uint64, v uint32) error {
	return s.writeInteger(ctx, "writel", addr, 4, uint64(v))
}

// Writeq writes a number as eight bytes in the guest's byte order.
func (s *Session) Writeq(ctx context.Context, addr, v uint64) error {
	return s.writeInteger(ctx, "writeq", addr, 8, v)
}

func (s *Session) readInteger(ctx context.Context, command string, addr, size uint64) (uint64, error) {
	if err := checkRange(command, addr, size); err != nil {
		return 0, err
	}
	if err := s.checkCPU(ctx, command); err != nil {
		return 0, err
	}
	return s.one(ctx, wantNumber, numbers(command, addr))
}

func (s *Session) writeInteger(ctx context.Context, command string, addr, size, v uint64) error {
	if err := checkRange(command, addr, size); err != nil {
		return err
	}
	if err := s.checkCPU(ctx, command); err != nil {
		return err
	}
	_, err := s.one(ctx, wantNothing, numbers(command, addr, v))
	return err
}

// byteOrder remembers the answer to a question that has one answer only.
type byteOrder struct {
	known atomic.Pointer[binary.ByteOrder]
}

// ByteOrder returns the guest's byte order, which it asks for once.
func (s *Session) ByteOrder(ctx context.Context) (binary.ByteOrder, error) {
	if o := s.order.known.Load(); o != nil {
		return *o, nil
	}
	v, err := s.one(ctx, wantByteOrder, words("endianness"))
	if err != nil {
		return nil, err
	}
	var o binary.ByteOrder = binary.LittleEndian
	if v == 1 {
		o = binary.BigEndian
	}
	s.order.known.Store(&o)
	return o, nil
}
