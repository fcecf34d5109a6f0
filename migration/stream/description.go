package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Description is what a stream says of its own sections, in JSON behind its end
// (docs/devel/migration/main.rst in QEMU).
type Description struct {
	PageSize      uint32  `json:"page_size"`     // bytes, of the target
	Configuration *State  `json:"configuration"` // since QEMU 7.1; nil before
	Devices       []State `json:"devices"`       // in the order of the stream; those that aren't live
}

// A State is how a section, a struct or a subsection lies in the stream.
type State struct {
	Name        string    `json:"name"` // of a section
	Instance    uint32    `json:"instance_id"`
	State       string    `json:"vmsd_name"` // "" of a device that describes nothing but its size
	Version     uint32    `json:"version"`
	Fields      []Element `json:"fields"`
	Subsections []State   `json:"subsections"`

	size uint64 // bytes of payload
}

// An Element is a field of a State.
type Element struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Size   uint32  `json:"size"`      // bytes, of one
	Length *uint32 `json:"array_len"` // how many, in a row, are alike
	Index  *uint32 `json:"index"`     // which of an array it is, where they aren't
	Struct *State  `json:"struct"`

	// Of what is put together for the stream, such as a "tmp"; lists have them, too,
	// and those of their last element only.
	Fields      []Element `json:"fields"`
	Subsections []State   `json:"subsections"`

	inner *State
}

// Size is how many bytes a section described so has as its payload.
func (s *State) Size() int64 { return int64(s.size) }

const (
	maxDescription = 16 << 20 // bytes
	maxDepth       = 64       // of structs in structs
	maxSize        = 1 << 40  // bytes of payload, so that sums don't overflow
)

// ParseDescription reads the JSON.
func ParseDescription(text []byte) (*Description, error) {
	d := &Description{}
	if len(text) > maxDescription {
		return nil, fmt.Errorf("stream: the description has %d bytes, more than the %d that are read", len(text), maxDescription)
	}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("stream: the description: %w", err)
	}
	all := []*State{}
	if d.Configuration != nil {
		all = append(all, d.Configuration)
	}
	for i := range d.Devices {
		all = append(all, &d.Devices[i])
	}
	for _, s := range all {
		if err := s.measure(0); err != nil {
			return nil, fmt.Errorf("stream: the description of %s: %w", s.title(), err)
		}
	}
	return d, nil
}

func (s *State) title() string {
	if s.Name == "" {
		return s.State
	}
	return s.Name
}

var errTooLarge = errors.New("it has more bytes, or more structs in each other, than any device's")

// measure adds up what is inside.
func (s *State) measure(depth int) error {
	if depth > maxDepth {
		return errTooLarge
	}
	s.size = 0
	for i := range s.Fields {
		f := &s.Fields[i]
		f.inner = f.Struct
		if f.inner == nil && f.Fields != nil {
			f.inner = &State{Fields: f.Fields, Subsections: f.Subsections}
		}
		if f.inner != nil {
			if err := f.inner.measure(depth + 1); err != nil {
				return err
			}
		}
		if s.size += f.total(); s.size > maxSize {
			return errTooLarge
		}
	}
	for i := range s.Subsections {
		sub := &s.Subsections[i]
		if err := sub.measure(depth + 1); err != nil {
			return err
		}
		if s.size += sub.head() + sub.size; s.size > maxSize {
			return errTooLarge
		}
	}
	return nil
}

// count is how many of it there are.
func (f *Element) count() uint64 {
	if f.Length == nil {
		return 1
	}
	return uint64(*f.Length)
}

func (f *Element) total() uint64 { return f.count() * uint64(f.Size) }

// head is what stands before a subsection: a mark, its name with its length, its version.
func (s *State) head() uint64 { return uint64(1 + 1 + len(s.State) + 4) }

// device finds what is said of a section.
func (d *Description) device(name string, instance uint32) *State {
	if d == nil {
		return nil
	}
	for i := range d.Devices {
		if d.Devices[i].Name == name && d.Devices[i].Instance == instance {
			return &d.Devices[i]
		}
	}
	return nil
}

// descriptionAtEnd finds a description that goes up to the end of the file: its mark,
// and the length of just what follows. It is nil where there is none.
func descriptionAtEnd(f io.ReaderAt, from, size int64) *Description {
	for tail := int64(64 << 10); ; tail *= 4 {
		tail = min(tail, size-from, maxDescription+5)
		b := make([]byte, tail)
		if n, _ := f.ReadAt(b, size-tail); int64(n) < tail {
			return nil
		}
		if d := descriptionIn(b); d != nil || tail == size-from || tail == maxDescription+5 {
			return d
		}
	}
}

func descriptionIn(b []byte) *Description {
	for end := len(b); ; {
		at := bytes.LastIndexByte(b[:end], markDescription)
		if at < 0 {
			return nil
		}
		if rest := b[at+1:]; len(rest) > 4 && rest[4] == '{' && uint64(binary.BigEndian.Uint32(rest)) == uint64(len(rest)-4) {
			d, _ := ParseDescription(rest[4:]) // an error is found again when the stream gets there
			return d
		}
		end = at
	}
}

// description reads what stands behind the end.
func (p *parser) description() {
	b := p.ahead(1)
	if len(b) == 0 || b[0] != markDescription || p.err != nil {
		return
	}
	at := p.offset()
	p.in = "the description"
	p.u8()
	size := p.u32()
	if size > maxDescription {
		p.fail(at, "a description of %d bytes, more than the %d that are read,", size, maxDescription)
	}
	p.garbled = true
	text := p.next(int(size))
	if p.err != nil {
		return
	}
	d, err := ParseDescription(text)
	if err != nil {
		p.problem(at, "%s", err)
		return
	}
	p.Description, p.garbled = d, false
}
