package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Description is the stream's description of its own sections, in JSON behind its end
// (docs/devel/migration/main.rst in QEMU).
type Description struct {
	PageSize      uint32  `json:"page_size"`     // bytes, of the target
	Configuration *State  `json:"configuration"` // since QEMU 7.1; nil before
	Devices       []State `json:"devices"`       // in the order of the stream; those that aren't live

	index map[deviceName]*State
}

// A deviceName is what tells a device from others.
type deviceName struct {
	name     string
	instance uint32
}

// A State is how a section, a struct or a subsection lies in the stream.
type State struct {
	Name        string    `json:"name"` // of a section
	Instance    uint32    `json:"instance_id"`
	State       string    `json:"vmsd_name"` // "" of a device that describes nothing but its size
	Version     uint32    `json:"version"`
	Fields      []Element `json:"fields"`
	Subsections []State   `json:"subsections"`

	size  uint64 // bytes of payload
	parts int    // fields, structs and subsections in it
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

// ParseDescription reads the JSON. Its time and memory are linear in the length of the
// text: at most 16 MiB, 64 structs in each other, and one field, struct, subsection or
// device for each 40 bytes are read; QEMU writes more than 50 bytes for each.
func ParseDescription(text []byte) (*Description, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("stream: the description has %d bytes, more than the %d that are read", len(text), maxDescription)
	}
	d, err := decodeDescription(text)
	if err != nil {
		return nil, fmt.Errorf("stream: the description: %w", err)
	}
	if c := d.Configuration; c != nil {
		if err := c.measure(0); err != nil {
			return nil, fmt.Errorf("stream: the description of %s: %w", c.title(), err)
		}
	}
	d.index = make(map[deviceName]*State, len(d.Devices))
	for i := range d.Devices {
		s := &d.Devices[i]
		if err := s.measure(0); err != nil {
			return nil, fmt.Errorf("stream: the description of %s: %w", s.title(), err)
		}
		if name := (deviceName{s.Name, s.Instance}); d.index[name] == nil {
			d.index[name] = s
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
	s.size, s.parts = 0, 1+len(s.Fields)
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
			s.parts += f.inner.parts
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
		s.parts += sub.parts
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

// device finds the description of a section; of several, the first.
func (d *Description) device(name string, instance uint32) *State {
	if d == nil {
		return nil
	}
	return d.index[deviceName{name, instance}]
}

// describeAhead looks for a description at the end of the file: its mark, and the length
// of just what follows, up to zeros that may stand behind it.
func (p *parser) describeAhead() {
	p.zerosFrom = zerosAtEnd(p.file, p.Offset, p.size)
	for tail := int64(64 << 10); p.described == nil && p.describedBy == nil; tail *= 4 {
		tail = min(tail, p.zerosFrom-p.Offset, maxDescription+5)
		b := make([]byte, tail)
		if n, _ := p.file.ReadAt(b, p.zerosFrom-tail); int64(n) < tail {
			return
		}
		p.describe(b, p.zerosFrom-tail)
		if tail == p.zerosFrom-p.Offset || tail == maxDescription+5 {
			break
		}
	}
	if d := p.described; d != nil && d.PageSize != 0 {
		p.learnPageSize(p.describedAt, uint64(d.PageSize), byDescription)
	}
}

// describe takes the description at the end of b, which stands there in the file.
func (p *parser) describe(b []byte, at int64) {
	from := descriptionIn(b)
	if from < 0 {
		return
	}
	p.describedAt = at + int64(from)
	p.described, p.describedBy = ParseDescription(b[from+5:])
}

// descriptionIn is where the mark of a description stands that goes up to the end of b.
func descriptionIn(b []byte) int {
	for end := len(b); ; {
		at := bytes.LastIndexByte(b[:end], markDescription)
		if at < 0 {
			return -1
		}
		if rest := b[at+1:]; len(rest) > 4 && rest[4] == '{' && uint64(binary.BigEndian.Uint32(rest)) == uint64(len(rest)-4) {
			return at
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
	d, err := p.described, p.describedBy
	if at != p.describedAt {
		d, err = ParseDescription(text)
	}
	if err != nil {
		p.problem(at, "%s", err)
		return
	}
	p.Description, p.garbled = d, false
	if d.PageSize != 0 {
		p.describedPages(at, uint64(d.PageSize))
	}
}

// describedPages holds the size of pages in the description against that with which the
// pages were read before it.
func (p *parser) describedPages(at int64, size uint64) {
	if p.toldPageSize() || p.RAM.All() == 0 {
		p.learnPageSize(at, size, byDescription)
	} else if size != p.pageSize {
		p.remark(at, "%s has pages of %d bytes, and those before it were read as pages of %d", byDescription, size, p.pageSize)
	}
}
