package qmp

import (
	"fmt"
	"io"
)

// A splitter finds the JSON objects in a stream. QMP sends one a line, or
// spread over many lines with pretty=on, and one read may bring many or half
// of one, so it follows the braces, not the lines.
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

// maxDepth is how deep objects may be nested: the limit of QEMU's own parser.
const maxDepth = 1024

const (
	firstRead  = 4096
	keptBuffer = 1 << 20
)

// value returns the next object. It is the caller's until the next call.
func (s *splitter) value() ([]byte, error) {
	for {
		for s.next < s.end {
			done, err := s.look(s.buf[s.next])
			if err != nil {
				return nil, err
			}
			s.next++
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

// look takes one byte, and says whether an object ends with it.
func (s *splitter) look(b byte) (done bool, err error) {
	switch {
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
		s.start = s.next + 1
	default:
		return false, &ProtocolError{Problem: "what came is not a JSON object", Data: excerpt(s.buf[s.next:s.end])}
	}
	return false, nil
}

// fill reads more, after moving what is left to the front.
func (s *splitter) fill() error {
	if s.start == s.end && len(s.buf) > keptBuffer {
		s.buf = nil // one large reply must not be paid for ever
		s.start, s.next, s.end = 0, 0, 0
	}
	if s.start > 0 {
		copy(s.buf, s.buf[s.start:s.end])
		s.next -= s.start
		s.end -= s.start
		s.start = 0
	}
	if s.end >= s.max {
		return &ProtocolError{Problem: fmt.Sprintf("a message is longer than %d bytes", s.max), Data: excerpt(s.buf[:s.end])}
	}
	if s.end == len(s.buf) {
		grown := make([]byte, min(max(2*len(s.buf), firstRead), s.max))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	n, err := s.from.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && s.depth > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// excerpt is a copy of the beginning of what can't be understood.
func excerpt(b []byte) []byte {
	const most = 80
	return append([]byte(nil), b[:min(len(b), most)]...)
}
