package qmp

import (
	"bytes"
	"fmt"
	"io"
)

// A splitter finds the JSON objects in a stream. QMP sends one a line, or
// spread over many lines with pretty=on, and one read may bring many or half
// of one, so it follows the braces, not the lines.
//
// It holds one object and what has been read behind it, and no more.
type splitter struct {
	from io.Reader
	max  int // bytes in one object

	buf   []byte
	start int // of the object under way, or of what has not been looked at
	next  int // the next byte to look at
	end   int // of what has been read

	depth  int // brackets open
	quoted bool
	escape bool
}

// maxDepth is how deep values may be nested: the limit of QEMU's own parser.
const maxDepth = 1024

const (
	firstRead  = 4 << 10
	keptBuffer = 1 << 20
)

// resynchronize is a byte that no JSON text has. Behind it everything begins
// anew, on both sides.
const resynchronize = 0xff

// value returns the next object. It is the caller's until the next call.
func (s *splitter) value() ([]byte, error) {
	for {
		for s.next < s.end {
			b := s.buf[s.next]
			s.next++
			if s.quoted && b != '"' && b != '\\' && b != resynchronize {
				s.escape = false
				continue // most bytes are these
			}
			done, err := s.look(b)
			if err != nil {
				return nil, err
			}
			if done {
				value := s.buf[s.start:s.next]
				s.start = s.next
				return value, nil
			}
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// skip drops what comes up to the next byte of resynchronization.
func (s *splitter) skip() error {
	s.begin()
	for {
		for s.next < s.end {
			b := s.buf[s.next]
			s.next++
			s.begin()
			if b == resynchronize {
				return nil
			}
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// begin forgets what is open: an object may begin at the next byte.
func (s *splitter) begin() {
	s.start, s.depth, s.quoted, s.escape = s.next, 0, false, false
}

// look takes one byte, and says whether an object ends with it.
func (s *splitter) look(b byte) (done bool, err error) {
	switch {
	case b == resynchronize:
		s.begin()
	case s.escape:
		s.escape = false
	case s.quoted:
		s.escape = b == '\\'
		s.quoted = b != '"'
	case b == '"' && s.depth > 0:
		s.quoted = true
	case b == '{', b == '[' && s.depth > 0:
		if s.depth++; s.depth > maxDepth {
			return false, &ProtocolError{Problem: fmt.Sprintf("a value is nested more than %d deep", maxDepth)}
		}
	case (b == '}' || b == ']') && s.depth > 0:
		s.depth--
		return s.depth == 0, nil
	case s.depth > 0:
	case b == ' ', b == '\t', b == '\r', b == '\n':
		s.start = s.next
	default:
		came := s.buf[s.next-1 : s.end]
		problem := "what came is not a JSON object"
		if bytes.HasPrefix(came, []byte("QEMU ")) && bytes.Contains(came, []byte(" monitor - ")) {
			problem = "what came is of a human monitor (HMP), and not of QMP: start QEMU with -qmp, or the -mon with mode=control"
		}
		return false, &ProtocolError{Problem: problem, Data: excerpt(came)}
	}
	return false, nil
}

// fill reads more, behind what is left.
func (s *splitter) fill() error {
	left, to := s.buf[s.start:s.end], s.buf
	switch {
	case len(left) >= s.max:
		return &ProtocolError{Problem: fmt.Sprintf("a message is longer than %d bytes", s.max), Data: excerpt(left)}
	case len(s.buf) > keptBuffer && len(left) < firstRead:
		to = make([]byte, firstRead) // one large reply must not be paid for ever
	case len(left) == len(s.buf):
		to = make([]byte, min(max(2*len(s.buf), firstRead), s.max))
	}
	if s.start > 0 || len(to) != len(s.buf) {
		copy(to, left)
		s.buf, s.next, s.end, s.start = to, s.next-s.start, len(left), 0
	}
	for {
		n, err := s.from.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
		if err == io.EOF && s.depth > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// excerpt is a copy of the beginning of what can't be understood.
func excerpt(b []byte) []byte {
	const most = 80
	return append([]byte(nil), b[:min(len(b), most)]...)
}
