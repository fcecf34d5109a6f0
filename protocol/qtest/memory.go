package qtest

import (
	"context"
	"encoding/base64"
	"io"
	"math"
	"strconv"
)

// How memory is cut up, by what QEMU 7.2 and 10.0 did on a machine with two
// cores (BenchmarkReadMemory and BenchmarkWriteMemory measure it again).
//
// A read must not be so long that QEMU's buffers for it come from mmap each
// time: b64read gives 600 to 800 MiB/s from 24 to 192 KiB, and 300 at 384 KiB.
// Several must be in flight, or each side waits for the other: one at a time
// gives 220. Hexadecimal reads give 33 (7.2) and 430 (10.0).
//
// The server takes its socket in steps of 1 KiB and looks through the whole
// line again after each, so a long write costs the square of its length, and a
// short one the fixed cost of a request: b64write gives 140 MiB/s from 12 to 48 KiB,
// 120 at 192 KiB, 60 at 384 bytes. Hexadecimal gives 60.
//
// The sizes are multiples of three, so that only a last piece has padding.
const (
	readPiece  = 96 << 10
	writePiece = 24 << 10
	fillPiece  = 16 << 20 // the server takes this much from its heap

	readWindow  = 16
	writeWindow = 4
	fillWindow  = 4
	byteWindow  = 4096
)

// ReadMemory fills p with what the guest has at a physical address. It is one
// moment in time only while the guest is stopped. Where nothing answers at an
// address, what comes back is QEMU's choice.
func (s *Session) ReadMemory(ctx context.Context, addr uint64, p []byte) error {
	return s.pieces(ctx, "b64read", addr, uint64(len(p)), readPiece, readWindow, p,
		func(b []byte, addr, size uint64, _ int) []byte {
			return appendHex(appendHex(append(b, "b64read"...), addr), size)
		})
}

// WriteMemory writes p to a guest-physical address. After an error any part of
// it may have been written.
func (s *Session) WriteMemory(ctx context.Context, addr uint64, p []byte) error {
	return s.pieces(ctx, "b64write", addr, uint64(len(p)), writePiece, writeWindow, nil,
		func(b []byte, addr, size uint64, offset int) []byte {
			b = append(appendHex(appendHex(append(b, "b64write"...), addr), size), ' ')
			return base64.StdEncoding.AppendEncode(b, p[offset:offset+int(size)])
		})
}

// Memset sets size bytes from a guest-physical address on to one value.
func (s *Session) Memset(ctx context.Context, addr, size uint64, value byte) error {
	return s.pieces(ctx, "memset", addr, size, fillPiece, fillWindow, nil,
		func(b []byte, addr, size uint64, _ int) []byte {
			return appendHex(appendHex(appendHex(append(b, "memset"...), addr), size), uint64(value))
		})
}

// pieces does one transfer in requests of at most piece bytes each. Where into
// is set, the replies fill it.
func (s *Session) pieces(ctx context.Context, command string, addr, size, piece uint64, window int, into []byte,
	encode func(b []byte, addr, size uint64, offset int) []byte,
) error {
	if err := checkRange(command, addr, size); err != nil {
		return err
	}
	if err := s.checkCPU(ctx, command); err != nil {
		return err
	}
	n := size / piece
	if size%piece > 0 {
		n++
	}
	if n > math.MaxInt {
		return &ArgumentError{command, "size", strconv.FormatUint(size, 10), "is more than this machine can count"}
	}
	t := &transfer{command: command, piece: int(piece), into: into}
	c := s.take()
	c.sink = t
	err := s.run(ctx, c, int(n), window, func(b []byte, i int) []byte {
		offset := uint64(i) * piece
		return append(encode(b, addr+offset, min(piece, size-offset), int(offset)), '\n')
	})
	if err != nil {
		return inCall(command, err)
	}
	s.give(c)
	return t.err
}

// transfer is the sink of a transfer in pieces. The first refusal is its error.
type transfer struct {
	command string
	piece   int
	into    []byte
	err     error
}

func (t *transfer) reply(index int, r reply) error {
	if r.status != statusOK {
		if t.err == nil {
			t.err = refusal(t.command, r)
		}
		return nil
	}
	ok := len(r.text) == 0
	if t.into != nil {
		from := index * t.piece
		ok = decodeBase64(t.into[from:min(from+t.piece, len(t.into))], r.text)
	}
	if !ok {
		return nonsense(r.text, "a reply to "+t.command+" without what was asked for")
	}
	return nil
}

// ReadEach reads one byte at each address. The requests don't wait for each
// other's replies, so this costs a fraction of as many calls of [Session.Readb].
func (s *Session) ReadEach(ctx context.Context, addrs []uint64) ([]byte, error) {
	if err := s.checkCPU(ctx, "readb"); err != nil {
		return nil, err
	}
	e := &each{values: make([]byte, len(addrs))}
	c := s.take()
	c.sink = e
	err := s.run(ctx, c, len(addrs), byteWindow, func(b []byte, i int) []byte {
		return append(appendHex(append(b, "readb"...), addrs[i]), '\n')
	})
	if err != nil {
		return nil, inCall("readb", err)
	}
	s.give(c)
	if e.err != nil {
		return nil, e.err
	}
	return e.values, nil
}

// each is the sink of ReadEach.
type each struct {
	values []byte
	err    error
}

func (e *each) reply(index int, r reply) error {
	if r.status != statusOK {
		if e.err == nil {
			e.err = refusal("readb", r)
		}
		return nil
	}
	v, ok := parseNumber(r.text)
	if !ok || v > 0xff {
		return nonsense(r.text, "a reply to readb that is no byte")
	}
	e.values[index] = byte(v)
	return nil
}

// A Memory is the guest's physical address space as an [io.ReaderAt] and an
// [io.WriterAt]: offset 0 is address 0. It has no end, so io.EOF never comes.
type Memory struct {
	s   *Session
	ctx context.Context
}

// Memory returns the guest-physical space. Every read and write on it ends
// with ctx.
func (s *Session) Memory(ctx context.Context) *Memory { return &Memory{s, ctx} }

var (
	_ io.ReaderAt = (*Memory)(nil)
	_ io.WriterAt = (*Memory)(nil)
)

// ReadAt fills p, or returns 0 and why it couldn't.
func (m *Memory) ReadAt(p []byte, addr int64) (int, error) {
	if err := checkOffset("b64read", addr); err != nil {
		return 0, err
	}
	if err := m.s.ReadMemory(m.ctx, uint64(addr), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt writes p, or returns 0 and why it couldn't write all of it.
func (m *Memory) WriteAt(p []byte, addr int64) (int, error) {
	if err := checkOffset("b64write", addr); err != nil {
		return 0, err
	}
	if err := m.s.WriteMemory(m.ctx, uint64(addr), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func checkOffset(command string, addr int64) error {
	if addr < 0 {
		return &ArgumentError{
			command, "address", strconv.FormatInt(addr, 10),
			"is negative; addresses above 2^63-1 are reached with ReadMemory and WriteMemory",
		}
	}
	return nil
}
