package qtest

import "context"

// Inb reads one byte from an I/O port of the guest. On machines without port
// I/O (anything but x86, and what emulates its bus) QEMU answers with all ones.
func (s *Session) Inb(ctx context.Context, port uint16) (uint8, error) {
	v, err := s.one(ctx, wantNumber, numbers("inb", uint64(port)))
	return uint8(v), err
}

// Inw reads two bytes from an I/O port of the guest.
func (s *Session) Inw(ctx context.Context, port uint16) (uint16, error) {
	v, err := s.one(ctx, wantNumber, numbers("inw", uint64(port)))
	return uint16(v), err
}

// Inl reads four bytes from an I/O port of the guest.
func (s *Session) Inl(ctx context.Context, port uint16) (uint32, error) {
	v, err := s.one(ctx, wantNumber, numbers("inl", uint64(port)))
	return uint32(v), err
}

// Outb writes one byte to an I/O port of the guest.
func (s *Session) Outb(ctx context.Context, port uint16, v uint8) error {
	_, err := s.one(ctx, wantNothing, numbers("outb", uint64(port), uint64(v)))
	return err
}

// Outw writes two bytes to an I/O port of the guest.
func (s *Session) Outw(ctx context.Context, port, v uint16) error {
	_, err := s.one(ctx, wantNothing, numbers("outw", uint64(port), uint64(v)))
	return err
}

// Outl writes four bytes to an I/O port of the guest.
func (s *Session) Outl(ctx context.Context, port uint16, v uint32) error {
	_, err := s.one(ctx, wantNothing, numbers("outl", uint64(port), uint64(v)))
	return err
}
