package stream

import (
	"slices"
)

// QEMU describes an array by its first element alone, though others may have another size.
// Up to 9.2 that is so of pointers to structs: in the stream each null pointer takes one
// byte and any other a struct (commit 35049eb0d2fc in QEMU). It is so of all versions
// where elements have no fixed size, such as the names of capabilities. The section is
// then shorter or longer than its description. What the elements are can be found out
// again of pointers, where the first is not null or only one array begins with a null.

// nullPointer is what is sent in place of what a pointer would lead to.
const nullPointer = '0'

// A piece is what stands in the stream one after the other: some bytes that are surely
// so many, or an array that may be one of pointers.
type piece struct {
	bytes uint64
	array *Element // that may be one of pointers; else nil
	null  bool     // the first of them is null
	vary  bool     // an array whose elements may have any sizes
}

// withPointers is the description of a section as it should be where the elements of an
// array explain why the section has another length; nil where they do, but can't be told
// apart. It says false where they don't.
func (d *decoder) withPointers(s *Section, known *State) (*State, bool) {
	if d.steps -= known.parts; d.steps < 0 || !s.footed { // without a footer the description has told its end
		return nil, false
	}
	pieces := known.pieces(nil)
	nulls, vary := 0, false
	for _, p := range pieces {
		vary = vary || p.vary
		if p.null {
			nulls++
		}
	}
	more := s.Size - int64(known.size)
	actual := map[*Element][]Element{}
	switch {
	case vary, nulls > 1 && more > 0:
		return nil, true
	case nulls == 1 && more > 0 && d.nullFirst(pieces, s.Data, uint64(more), actual), d.structFirst(pieces, s.Data, actual):
		return known.rewritten(actual), true
	}
	return nil, false
}

// pieces are those of a state, and of the structs in it that are no arrays.
func (s *State) pieces(all []piece) []piece {
	for i := range s.Fields {
		f := &s.Fields[i]
		array := f.Length != nil && *f.Length > 1 && f.Index == nil
		switch {
		case array && f.Size == 1 && f.isNull():
			all = append(all, piece{bytes: f.total(), array: f, null: true})
		case array && f.varies():
			all = append(all, piece{bytes: f.total(), vary: true})
		case array && f.Struct != nil && f.Size > 1:
			all = append(all, piece{bytes: f.total(), array: f})
		case !array && f.Length == nil && f.inner != nil && f.inner.size == uint64(f.Size):
			all = f.inner.pieces(all)
		default:
			all = append(all, piece{bytes: f.total()})
		}
	}
	for i := range s.Subsections {
		sub := &s.Subsections[i]
		all = append(all, piece{bytes: sub.head()})
		all = sub.pieces(all)
	}
	return all
}

// isNull says whether an element describes a null pointer: as a struct with nothing in
// it, up to QEMU 9.2, or by a name of its own.
func (f *Element) isNull() bool {
	return f.Type == "nullptr" || f.Struct != nil && f.Struct.State == "" && len(f.Struct.Fields) == 0
}

// varies says whether such an element may have more or fewer bytes another time. Those of
// numbers never have.
func (f *Element) varies() bool {
	if f.inner == nil || f.Struct == nil {
		return !numeric(f.Type) && f.Type != "nullptr"
	}
	for i := range f.inner.Fields {
		if f.inner.Fields[i].varies() {
			return true
		}
	}
	return len(f.inner.Subsections) > 0
}

// nullFirst gives the only array that begins with a null what the section has more. What
// is in there isn't known.
func (d *decoder) nullFirst(pieces []piece, data []byte, more uint64, actual map[*Element][]Element) bool {
	at := uint64(0)
	for _, p := range pieces {
		if !p.null {
			at += p.bytes
			continue
		}
		actual[p.array] = []Element{{Name: p.array.Name, Type: "pointers", Size: uint32(p.bytes + more)}}
		return at < uint64(len(data)) && data[at] == nullPointer
	}
	return false
}

// structFirst finds which elements of the arrays are null, so that all pieces together
// have as many bytes as the data.
func (d *decoder) structFirst(pieces []piece, data []byte, actual map[*Element][]Element) bool {
	// steps are the places that can be reached, in ascending order, behind each element.
	steps := [][]int{{0}}
	for _, p := range pieces {
		if p.array == nil || p.null {
			steps = append(steps, reach(steps[len(steps)-1], data, p.bytes, false))
			continue
		}
		for i := range *p.array.Length {
			next := reach(steps[len(steps)-1], data, uint64(p.array.Size), i > 0)
			if d.steps -= 1 + len(next); d.steps < 0 || len(next) == 0 {
				return false
			}
			steps = append(steps, next)
		}
	}
	if last := steps[len(steps)-1]; !reached(last, len(data)) {
		return false
	}
	d.wayBack(pieces, data, steps, actual)
	return true
}

// wayBack takes the steps from the last to the first, and so finds what each element is.
func (d *decoder) wayBack(pieces []piece, data []byte, steps [][]int, actual map[*Element][]Element) {
	at, step := len(data), len(steps)-1
	for _, p := range slices.Backward(pieces) {
		if p.array == nil || p.null {
			at -= int(p.bytes)
			step--
			continue
		}
		elements := make([]Element, *p.array.Length)
		for i := len(elements) - 1; i >= 0; i-- {
			step--
			f := Element{Name: p.array.Name, Type: p.array.Type, Size: p.array.Size, Struct: p.array.Struct}
			if i > 0 && data[at-1] == nullPointer && reached(steps[step], at-1) {
				f = Element{Name: p.array.Name, Type: "nullptr", Size: 1}
			}
			f.Index = new(uint32(i))
			at -= int(f.Size)
			elements[i] = f
		}
		actual[p.array] = elements
	}
}

func reached(places []int, at int) bool {
	_, found := slices.BinarySearch(places, at)
	return found
}

// reach gives the places that are n bytes behind others, or one byte where a null
// pointer can be there.
func reach(from []int, data []byte, n uint64, orNull bool) (places []int) {
	for _, at := range from {
		if uint64(len(data)-at) >= n {
			places = append(places, at+int(n))
		}
		if orNull && at < len(data) && data[at] == nullPointer {
			places = append(places, at+1)
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// rewritten is the state with other elements in the place of some.
func (s *State) rewritten(actual map[*Element][]Element) *State {
	c := *s
	c.Fields, c.Subsections = nil, nil
	for i := range s.Fields {
		f := s.Fields[i]
		elements, replaced := actual[&s.Fields[i]]
		switch {
		case replaced:
			c.Fields = append(c.Fields, elements...)
			continue
		case f.Length == nil && f.inner != nil && f.inner.size == uint64(f.Size):
			f.Struct, f.Fields, f.Subsections = f.inner.rewritten(actual), nil, nil
			f.Size = uint32(f.Struct.size)
		}
		c.Fields = append(c.Fields, f)
	}
	for i := range s.Subsections {
		c.Subsections = append(c.Subsections, *s.Subsections[i].rewritten(actual))
	}
	_ = c.measure(0) // it is as deep as what it was made of
	return &c
}
