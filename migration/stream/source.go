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
	// jumpSize is how much is read first at another place of the file.
	jumpSize = 4 << 10
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
	window   int   // how much is read next; 0 is as much as there is room for

	work work
	in   string // what is being read
	err  error
}

// work is what was done beside taking each byte once. All of it is to be at most
// linear in the length of the stream, whatever the stream claims.
type work struct {
	read     int64 // bytes read
	moved    int64 // bytes moved inside of the buffer
	searched int64 // bytes searched for the end of a section
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
		s.makeRoom(n)
		s.fill()
	}
	return s.buf[s.at:s.full]
}

// makeRoom makes place for more in the buffer, which has to hold n bytes ahead. What is
// ahead is moved only when as much has been taken before it. Else the buffer grows, but
// only when it is full: a length that a stream claims costs nothing.
func (s *source) makeRoom(n int) {
	ahead := s.full - s.at
	switch {
	case s.buf == nil:
		s.buf = make([]byte, sourceSize)
	case ahead == 0 || s.at+n > len(s.buf) && s.at >= ahead:
		s.move(s.buf)
	case s.full == len(s.buf):
		s.move(make([]byte, 2*len(s.buf)))
	}
}

// move puts what is ahead at the beginning of a buffer.
func (s *source) move(to []byte) {
	n := copy(to, s.buf[s.at:s.full])
	s.work.moved += int64(n)
	s.base += int64(s.at)
	s.buf, s.at, s.full = to, 0, n
}

// fill reads once.
func (s *source) fill() {
	room := s.buf[s.full:]
	if s.window > 0 {
		room = room[:min(len(room), s.window)]
		if s.window *= 2; s.window >= sourceSize {
			s.window = 0
		}
	}
	for range 100 {
		k, err := s.from.Read(room)
		s.full += k
		s.work.read += int64(k)
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
	if s.from != nil && s.offset() <= to && to <= s.base+int64(s.full) {
		s.at = int(to - s.base)
		return
	}
	s.from = io.NewSectionReader(s.file, to, s.size-to)
	s.base, s.at, s.full, s.drained, s.window = to, 0, 0, false, jumpSize
}
