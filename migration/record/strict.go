package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// encoding/json takes "error" for Error, the last of two keys, and null for 0, and passes
// over what it does not know. In a record each of these hides a fact, so the text is gone
// through once before it is decoded.

// A scan goes through text that is valid JSON, beside the type that it is to become.
type scan struct {
	text   []byte
	at     int
	path   []string // where it is: "Legs", "[0]", "Life"
	values int
	known  map[reflect.Type]fields
}

var (
	typeTime = reflect.TypeFor[time.Time]()
	typeRaw  = reflect.TypeFor[json.RawMessage]()
)

// check says what is wrong with a record's text, and where.
func check(text []byte) error {
	s := scan{text: text, known: map[reflect.Type]fields{}}
	if !utf8.Valid(text) {
		for s.at < len(text) {
			r, size := utf8.DecodeRune(text[s.at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			s.at += size
		}
		return s.wrong("it is not UTF-8")
	}
	return s.value(reflect.TypeFor[Record](), false)
}

// wrong is an error about the place where the scan is.
func (s *scan) wrong(format string, args ...any) error {
	where := ""
	if len(s.path) > 0 {
		where = strings.TrimPrefix(strings.Join(s.path, ""), ".") + ": "
	}
	return fmt.Errorf("line %d: %s%s", line(s.text, s.at), where, fmt.Sprintf(format, args...))
}

// line is the number of the line with that byte.
func line(text []byte, at int) int {
	return 1 + bytes.Count(text[:min(max(at, 0), len(text))], []byte("\n"))
}

func (s *scan) blanks() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\n' || s.text[s.at] == '\r') {
		s.at++
	}
}

// next is the byte that comes next beside blanks.
func (s *scan) next() byte {
	s.blanks()
	return s.text[s.at]
}

// value passes one value. A nil type takes any.
func (s *scan) value(t reflect.Type, null bool) error {
	if s.values++; s.values > maxValues {
		return s.wrong("there are more than %d values, which no record has", maxValues)
	}
	if len(s.path) > maxDepth {
		s.path = s.path[:4]
		return s.wrong("it is nested more than %d deep, which no record is", maxDepth)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t, null = t.Elem(), true
	}
	if t == typeRaw {
		t = nil
	}
	switch c := s.next(); c {
	case '{':
		if t != nil && (t == typeTime || t.Kind() != reflect.Struct && t.Kind() != reflect.Map) {
			return s.misfit(t, "an object")
		}
		return s.object(t)
	case '[':
		if t != nil && (t.Kind() != reflect.Slice || isBytes(t)) {
			return s.misfit(t, "a list")
		}
		return s.list(t)
	case '"':
		return s.word(t)
	case 'n':
		if t != nil && !null && t.Kind() != reflect.Slice && t.Kind() != reflect.Map {
			return s.misfit(t, "null")
		}
		s.at += len("null")
	case 't', 'f':
		if t != nil && t.Kind() != reflect.Bool {
			return s.misfit(t, "true or false")
		}
		s.at += len("true")
		if c == 'f' {
			s.at++
		}
	default:
		if t != nil && !isNumber(t) {
			return s.misfit(t, "a number")
		}
		for s.at < len(s.text) && strings.IndexByte("+-.0123456789eE", s.text[s.at]) >= 0 {
			s.at++
		}
	}
	return nil
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

func isNumber(t reflect.Type) bool { return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 }

// misfit says that one thing is where another is expected.
func (s *scan) misfit(t reflect.Type, found string) error {
	want := "an object"
	switch {
	case t == typeTime:
		want = "a time"
	case t.Kind() == reflect.String || isBytes(t):
		want = "a string"
	case t.Kind() == reflect.Slice:
		want = "a list"
	case t.Kind() == reflect.Bool:
		want = "true or false"
	case isNumber(t):
		want = "a number"
	}
	return s.wrong("found %s, expected %s", found, want)
}

// word passes a string.
func (s *scan) word(t reflect.Type) error {
	if t != nil && t != typeTime && t.Kind() != reflect.String && !isBytes(t) {
		return s.misfit(t, "a string")
	}
	text := s.quoted()
	if t == typeTime {
		if _, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(text)); err != nil {
			return s.wrong("found %.60s, expected a time as 2006-01-02T15:04:05Z", text)
		}
	}
	return nil
}

// quoted passes a string and returns it as it is written.
func (s *scan) quoted() []byte {
	begin := s.at
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	return s.text[begin:s.at]
}

// list passes a list.
func (s *scan) list(t reflect.Type) error {
	var of reflect.Type
	if t != nil {
		of = t.Elem()
	}
	s.at++
	for i := 0; s.next() != ']'; i++ {
		s.path = append(s.path, fmt.Sprintf("[%d]", i))
		if i == maxLegs && of == reflect.TypeFor[*Record]() {
			return s.wrong("there are more legs than the %d that a run may have", maxLegs)
		}
		if s.text[s.at] == 'n' && of != nil {
			return s.wrong("null: a list has no gaps")
		}
		if err := s.value(of, false); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
		if s.next() == ',' {
			s.at++
		}
	}
	s.at++
	return nil
}

// object passes an object: a struct, whose keys are known, a map, or any.
func (s *scan) object(t reflect.Type) error {
	var known fields
	var of reflect.Type
	switch {
	case t != nil && t.Kind() == reflect.Map:
		of = t.Elem()
	case t != nil:
		known = s.fieldsOf(t)
	}
	had := map[string]string{} // as written, by what encoding/json takes them for
	s.at++
	for s.next() != '}' {
		key, err := s.key(had)
		if err != nil {
			return err
		}
		f := field{of: of}
		if known != nil {
			var there bool
			if f, there = known[key]; !there {
				return s.wrong("unknown key%s", known.meant(key))
			}
		}
		if err := s.value(f.of, f.null); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
		if s.next() == ',' {
			s.at++
		}
	}
	var lacks []string
	for name, f := range known {
		if _, there := had[f.fold]; !there && f.required {
			lacks = append(lacks, name)
		}
	}
	if len(lacks) > 0 {
		return s.wrong("it has no %s", slices.Min(lacks))
	}
	s.at++
	return nil
}
