package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An Error says where a stream can't be read any further, and why.
type Error struct {
	Offset int64  // in the file, from its beginning
	In     string // the part of the stream, such as "section 3 (ram)"; "" for none
	What   string
	Err    error // of the reader; nil where the bytes themselves are at fault
}

func (e *Error) Error() string {
	return fmt.Sprintf("stream: %s at byte %d%s", e.What, e.Offset, e.rest())
}

func (e *Error) rest() (s string) {
	if e.In != "" {
		s = ", in " + e.In
	}
	if e.Err != nil && !e.Truncated() {
		s += ": " + e.Err.Error()
	}
	return s
}

// Problem is the error among what else is wrong with the stream.
func (e *Error) Problem() Problem {
	return Problem{Offset: e.Offset, What: strings.TrimSuffix(e.What, ",") + e.rest()}
}

func (e *Error) Unwrap() error { return e.Err }

// Truncated says that a stream ends before its end.
func (e *Error) Truncated() bool { return errors.Is(e.Err, io.ErrUnexpectedEOF) }

const (
	// sourceSize is how much is read at once: it stays in a processor's cache.
	sourceSize = 256 << 10
	// maxAhead is how far is looked for the end of something that doesn't tell its
	// length; nothing in a stream is that long that isn't a live section of its own.
	maxAhead = 64 << 20
)

// A source reads forward, and looks ahead. Its first error stays; what is read after
// that is zero.
type source struct {
	from io.Reader
	file io.ReaderAt // the same, where any place can be read; else nil
	size int64       // of the file

	buf      []byte
	at, full int   // buf[at:full] is ahead
	base     int64 // where buf[0] stands in the file
	drained  bool  // from has nothing more

	in  string // what is being read
	err error
}

func (s *source) offset() int64 { return s.base + int64(s.at) }

// fail keeps the first error.
func (s *source) fail(at int64, format string, args ...any) {
	if s.err == nil {
		s.err = &Error{Offset: at, In: s.in, What: fmt.Sprintf(format, args...)}
	}
}

// ahead is what comes next, n bytes at least unless the stream ends before. It is
// good until the next call.
func (s *source) ahead(n int) []byte {
	for s.full-s.at < n && !s.drained && s.err == nil {
		s.fill(n)
	}
	return s.buf[s.at:s.full]
}

// fill reads once. The buffer grows only by what has come, so that a length that
// a stream claims costs nothing.
func (s *source) fill(n int) {
	if s.at > 0 {
		copy(s.buf, s.buf[s.at:s.full])
		s.base += int64(s.at)
		s.full -= s.at
		s.at = 0
	}
	switch {
	case s.buf == nil:
		s.buf = make([]byte, sourceSize)
	case s.full == len(s.buf):
		s.buf = append(s.buf, make([]byte, min(n, 2*len(s.buf))-s.full)...)
	}
	for range 100 {
		k, err := s.from.Read(s.buf[s.full:])
		s.full += k
		if errors.Is(err, io.EOF) {
			s.drained = true
			return
		}
		if err != nil {
			s.err = &Error{Offset: s.base + int64(s.full), In: s.in, What: "reading", Err: err}
			return
		}
		if k > 0 {
			return
		}
	}
	s.err = &Error{Offset: s.base + int64(s.full), In: s.in, What: "reading", Err: io.ErrNoProgress}
}

// next takes n bytes, at most maxAhead. They are good until the next call; nil says
// that there aren't as many.
func (s *source) next(n int) []byte {
	b := s.buf[s.at:s.full]
	if len(b) < n {
		if b = s.ahead(n); len(b) < n {
			s.truncated()
			return nil
		}
	}
	if s.err != nil {
		return nil
	}
	s.at += n
	return b[:n]
}

func (s *source) truncated() {
	if s.err == nil {
		s.err = &Error{Offset: s.base + int64(s.full), In: s.in, What: "truncated", Err: io.ErrUnexpectedEOF}
	}
}

// All numbers of a stream are big-endian.

func (s *source) u8() byte {
	if b := s.next(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *source) u16() uint16 {
	if b := s.next(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *source) u32() uint32 {
	if b := s.next(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *source) u64() uint64 {
	if b := s.next(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// name is a string with its length before it, in one byte.
func (s *source) name() string { return string(s.next(int(s.u8()))) }

// skip passes over n bytes, of which none are kept.
func (s *source) skip(n int64) {
	for n > 0 && s.err == nil {
		piece := int(min(n, sourceSize))
		s.next(piece)
		n -= int64(piece)
	}
}

// jump goes on somewhere else in the file.
func (s *source) jump(to int64) {
	if s.err != nil {
		return
	}
	if to < 0 || to > s.size {
		s.fail(s.offset(), "the stream goes on at byte %d of a file that has %d,", to, s.size)
		return
	}
	s.from = io.NewSectionReader(s.file, to, s.size-to)
	s.base, s.at, s.full, s.drained = to, 0, 0, false
}
