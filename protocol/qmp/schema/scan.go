package schema

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A SyntaxError says where the JSON text of a schema, or of a command's
// arguments, can't be read.
type SyntaxError struct {
	Offset  int // bytes before it
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("schema: at byte %d: %s", e.Offset, e.Problem)
}

// A scanner goes over JSON text once. Strings that it returns share the text's
// memory where they can.
type scanner struct {
	text string
	at   int
}

func (s *scanner) fail(problem string) error { return &SyntaxError{s.at, problem} }

// unexpected says what should be there, and what is.
func (s *scanner) unexpected(wanted string) error {
	const most = 20
	rest := s.text[s.at:]
	if rest == "" {
		return s.fail("expected " + wanted + ", and the text ends")
	}
	return s.fail(fmt.Sprintf("expected %s, not %.*q", wanted, most, rest))
}

// next skips white space and returns the byte behind it, 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.text); s.at++ {
		switch b := s.text[s.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

func (s *scanner) expect(b byte) error {
	if s.next() != b {
		return s.unexpected(fmt.Sprintf("%q", b))
	}
	s.at++
	return nil
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	if s.next(); s.at < len(s.text) {
		return s.unexpected("the end")
	}
	return nil
}

// string reads a string.
func (s *scanner) string() (string, error) {
	if err := s.expect('"'); err != nil {
		return "", err
	}
	begin := s.at
	for ; s.at < len(s.text); s.at++ {
		switch b := s.text[s.at]; {
		case b == '"':
			s.at++
			return s.text[begin : s.at-1], nil
		case b < ' ':
			return "", s.fail("a control character in a string")
		case b == '\\' || b >= 0x80:
			return s.uncommon(begin)
		}
	}
	return "", s.fail("a string has no end")
}

// uncommon reads a string that has more than plain ASCII in it.
func (s *scanner) uncommon(begin int) (text string, err error) {
	if !s.toQuote() {
		return "", s.fail("a string has no end")
	}
	err = json.Unmarshal([]byte(s.text[begin-1:s.at]), &text)
	if err != nil {
		s.at = begin
		return "", s.fail("a string can't be read: " + err.Error())
	}
	return text, nil
}

// toQuote goes on behind the end of the string that it is in.
func (s *scanner) toQuote() bool {
	for {
		i := strings.IndexAny(s.text[s.at:], `"\`)
		if i < 0 {
			s.at = len(s.text)
			return false
		}
		s.at += i + 1
		if s.text[s.at-1] == '"' {
			return true
		}
		s.at = min(s.at+1, len(s.text))
	}
}

// list reads what is between two brackets, calling item for each element.
func (s *scanner) list(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.next() == end {
		s.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.at++
		case end:
			s.at++
			return nil
		default:
			return s.unexpected(fmt.Sprintf("',' or %q", end))
		}
	}
}

func (s *scanner) array(item func() error) error { return s.list('[', ']', item) }

// object reads an object; member has to read the value.
func (s *scanner) object(member func(name string) error) error {
	return s.list('{', '}', func() error {
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return member(name)
	})
}

// value reads any value, and returns its text.
func (s *scanner) value() (string, error) {
	if strings.HasPrefix(s.text[s.at:], " null") { // the only default so far
		s.at += len(" null")
		return "null", nil
	}
	s.next()
	begin := s.at
	depth := 0
	for s.at < len(s.text) {
		b := s.text[s.at]
		if depth == 0 && s.at > begin && strings.IndexByte(",]} \t\r\n", b) >= 0 {
			break
		}
		s.at++
		switch b {
		case '"':
			if !s.toQuote() {
				return "", s.fail("a string has no end")
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	text := s.text[begin:s.at]
	if !json.Valid([]byte(text)) {
		s.at = begin
		return "", s.fail("a value can't be read")
	}
	return text, nil
}
