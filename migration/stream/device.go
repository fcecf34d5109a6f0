package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A Field is a piece of a device's payload. One with Fields has no value of its own:
// it is a struct, or a subsection, or the elements of an array of structs.
type Field struct {
	Name   string  // that of an array's element ends with its number, such as "regs[3]"
	Type   string  // QEMU's name of it, such as "uint32"; "subsection" of a part that is sent only when needed
	Offset int64   // in the file
	Size   int64   // bytes, of all elements
	Count  int     `json:",omitempty"` // of elements, of an array
	Value  string  `json:",omitempty"` // what a person reads, cut where it is long
	Fields []Field `json:",omitempty"`
	Data   []byte  `json:"-"`
}

// Uint is the value of a field that is one number or truth.
func (f Field) Uint() (uint64, bool) {
	if f.Fields != nil || f.Count != 0 || !numeric(f.Type) {
		return 0, false
	}
	return number(f.Data)
}

// Field finds a field by its path, such as "state/rbr"; names of subsections, which have
// slashes of their own, are matched whole.
func (s *Section) Field(path string) *Field { return find(s.Fields, path) }

func find(fields []Field, path string) *Field {
	for i := range fields {
		f := &fields[i]
		if f.Name == path {
			return f
		}
		if rest, inside := strings.CutPrefix(path, f.Name+"/"); inside {
			if found := find(f.Fields, rest); found != nil {
				return found
			}
		}
	}
	return nil
}

// device reads a device's payload, which doesn't tell its length. It is known from the
// description, or else its end is looked for.
func (p *parser) device(s *Section) {
	if p.described == nil && p.describedBy == nil && !p.looked && p.live > 0 {
		// Whatever is left of a stream behind RAM is the devices' payloads.
		p.looked = true
		p.describe(bytes.TrimRight(p.ahead(maxAhead), "\x00"), p.offset())
	}
	n := p.deviceEnd(s)
	if p.devices += int64(n); p.devices > maxDevices {
		p.fail(p.offset(), "devices with more than %d bytes together", maxDevices)
	}
	s.Data = bytes.Clone(p.next(n))
	s.Size = int64(len(s.Data))
}

// How many fields are made of a stream, whatever it claims: so many in any case, one more
// for some of its bytes, but not more than any machine has. What is inside of the others
// is left as bytes.
const (
	fewFields  = 4096
	fieldBytes = 4
	maxFields  = 1 << 18
)

// A decoder makes fields of payloads.
type decoder struct {
	*parser
	section *Section
	left    int // fields that may still be made
	steps   int // elements that may still be tried for arrays of pointers
}

func (p *parser) decodeDevices() {
	d := p.Description
	if d == nil {
		d = p.described // of a stream that breaks off before
	}
	most := min(maxFields, fewFields+int(p.Size/fieldBytes))
	dec := &decoder{parser: p, left: most, steps: 2 * most}
	for _, s := range p.Sections {
		if known := d.device(s.Name, s.Instance); known != nil && !s.Live {
			dec.section = s
			dec.decode(s, known)
		}
	}
	if dec.left <= 0 {
		p.remark(-1, "what devices have in more than %d fields is not taken apart", most)
	}
}

func (d *decoder) decode(s *Section, known *State) {
	switch {
	case d.left <= 0:
	case int64(known.size) != s.Size:
		actual, explained := d.withPointers(s, known)
		if !explained {
			d.problem(s.Offset, "%s has %d bytes, and the description says %d", s, s.Size, known.size)
			return
		}
		d.remark(s.Offset, "%s has %d bytes, and the description says %d: it describes an array by its first element, though others may have another size, as null pointers have before QEMU 10.0", s, s.Size, known.size)
		if actual != nil {
			s.Fields = d.fields(actual, s.Data, s.Offset)
		}
	case known.Version != s.Version && known.State != "":
		d.problem(s.Offset, "%s has version %d, and the description says %d", s, s.Version, known.Version)
	default:
		s.Fields = d.fields(known, s.Data, s.Offset)
	}
}

// fields makes what a state describes of as many bytes as it has.
func (d *decoder) fields(known *State, b []byte, at int64) []Field {
	all := make([]Field, 0, min(len(known.Fields)+len(known.Subsections), d.left))
	for i := range known.Fields {
		f := &known.Fields[i]
		n := f.total()
		all = append(all, d.field(f, b[:n], at))
		b, at = b[n:], at+int64(n)
	}
	for i := range known.Subsections {
		sub := &known.Subsections[i]
		head, n := sub.head(), sub.head()+sub.size
		if !bytes.Equal(b[:head], sub.headBytes()) {
			d.problem(at, "subsection %s of %s is described here, and the stream has %.40q", sub.State, d.section, b[:n])
		}
		all = append(all, Field{Name: sub.State, Type: "subsection", Offset: at, Size: int64(n), Data: b[:n], Fields: d.fields(sub, b[head:n], at+int64(head))})
		b, at = b[n:], at+int64(n)
	}
	return all
}

func (s *State) headBytes() []byte {
	b := append([]byte{markSubsection, byte(len(s.State))}, s.State...)
	return binary.BigEndian.AppendUint32(b, s.Version)
}

func (d *decoder) field(f *Element, b []byte, at int64) Field {
	made := Field{Name: f.Name, Type: f.Type, Offset: at, Size: int64(len(b)), Data: b}
	if f.Index != nil {
		made.Name = fmt.Sprintf("%s[%d]", f.Name, *f.Index)
	}
	if f.Length != nil {
		made.Count = int(*f.Length)
	}
	d.left--
	switch {
	case f.inner == nil || d.left < 0:
	case f.inner.size != uint64(f.Size):
		if f.Struct != nil {
			d.problem(at, "field %s of %s is described with %d bytes, and what is in it with %d", made.Name, d.section, f.Size, f.inner.size)
		}
	case f.Length == nil:
		made.Fields = d.fields(f.inner, b, at)
		return made
	case f.Size > 0:
		made.Fields = d.elements(f, b, at)
		return made
	}
	made.Value = text(made, int(f.Size))
	return made
}

func (d *decoder) elements(f *Element, b []byte, at int64) []Field {
	all := make([]Field, 0, min(int(f.count()), d.left, len(b)))
	for i := 0; len(b) > 0 && d.left > 0; i++ {
		d.left--
		one := b[:f.Size]
		all = append(all, Field{
			Name: f.Name + "[" + strconv.Itoa(i) + "]", Type: f.Type, Offset: at, Size: int64(len(one)), Data: one,
			Fields: d.fields(f.inner, one, at),
		})
		b, at = b[f.Size:], at+int64(f.Size)
	}
	return all
}
