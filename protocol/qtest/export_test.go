package qtest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
)

// TryRead and TryWrite move memory with any of the protocol's ways, piece
// size and window, for the benchmark that chooses between them.
func (s *Session) TryRead(ctx context.Context, command string, p []byte, piece uint64, window int) error {
	t := &trial{}
	c := s.take()
	c.sink = t
	n := (uint64(len(p)) + piece - 1) / piece
	t.decode = func(i int, text []byte) error {
		dst := p[uint64(i)*piece:]
		if command == "read" {
			_, err := hex.Decode(dst, text[2:])
			return err
		}
		_, err := base64.StdEncoding.Decode(dst, text)
		return err
	}
	err := s.run(ctx, c, int(n), window, func(b []byte, i int) []byte {
		at := uint64(i) * piece
		b = appendHex(append(b, command...), 0x100000+at)
		return append(appendHex(b, min(piece, uint64(len(p))-at)), '\n')
	})
	return err
}

func (s *Session) TryWrite(ctx context.Context, command string, p []byte, piece uint64, window int) error {
	c := s.take()
	c.sink = &trial{}
	n := (uint64(len(p)) + piece - 1) / piece
	return s.run(ctx, c, int(n), window, func(b []byte, i int) []byte {
		at := uint64(i) * piece
		data := p[at:min(at+piece, uint64(len(p)))]
		b = append(b, command...)
		b = append(appendHex(appendHex(b, 0x100000+at), uint64(len(data))), ' ')
		if command == "write" {
			b = hex.AppendEncode(append(b, "0x"...), data)
		} else {
			b = base64.StdEncoding.AppendEncode(b, data)
		}
		return append(b, '\n')
	})
}

type trial struct{ decode func(int, []byte) error }

func (t *trial) reply(i int, r reply) error {
	if r.status != statusOK {
		return refusal("trial", r)
	}
	if t.decode != nil {
		return t.decode(i, r.text)
	}
	return nil
}

// Trial and Transfer are the shapes of what the benchmarks compare.
type (
	Trial    = func(s *Session, ctx context.Context, command string, p []byte, piece uint64, window int) error
	Transfer = func(s *Session, ctx context.Context, addr uint64, p []byte) error
)
