package asm

import "encoding/binary"

// An item is one piece of the image. Exactly one of bytes, form, jump and padding
// makes it.
type item struct {
	line int
	mode int // 16, 32 or 64: an instruction; 0: data or padding

	bytes  []byte
	fixups []fixup

	form     *fixedForm // bytes are as many as it has
	operands []fixedOperand

	jump   *jump
	target *expr
	near   bool // the short form doesn't reach

	padding *padding

	address, size int64

	// How many .org and .balign come before it.
	region int
}

// A padding is bytes as many as it takes, or as it says.
type padding struct {
	directive string
	count     *expr // .org: up to which address; .balign: the power of two; else how many
	unit      int   // bytes of each
	value     int64
}

// maxPasses bounds how often the items are laid out again, beyond once for each
// jump: sources whose paddings chase their own labels don't settle.
const maxPasses = 50

// lay finds every item's place and fills the image. Jumps begin short and grow
// where their label is out of reach; that moves what follows, so it is done again
// until nothing grows. Where there is padding between, more than one outcome is
// possible, and to come to the one of GNU as the steps are the same as there: in
// order, each with what the ones before it came to in the same pass.
func (a *assembler) lay() *Image {
	passes := maxPasses
	region := 0
	for _, it := range a.items {
		if it.jump != nil {
			passes++
		}
		it.region = region
		region += it.absorbs()
	}
	a.estimate()
	for moved := true; moved && len(a.errs) == 0; passes-- {
		if passes == 0 {
			a.fail(a.items[len(a.items)-1].line, faultf("the addresses don't settle: some padding depends on what comes after it"))
		} else {
			moved = a.pass()
		}
	}
	if len(a.errs) > 0 {
		return nil
	}
	return a.emit()
}

// estimate lays the items out for a start: jumps short, and paddings that aren't
// a plain number empty.
func (a *assembler) estimate() {
	at := int64(0)
	for _, it := range a.items {
		it.address, it.size = at, int64(len(it.bytes))
		switch {
		case it.jump != nil:
			it.size = it.length()
		case it.padding != nil && it.padding.directive != ".org":
			if _, ok := it.padding.count.settled(); ok {
				it.size, _ = a.padded(it, at)
			}
		}
		it.size = min(max(it.size, 0), MaxImage)
		at += it.size
	}
	a.end = at
}

// pass lays all items out once more and says whether one of them has another
// size now.
func (a *assembler) pass() (moved bool) {
	at := int64(0)
	for i, it := range a.items {
		stretch := at - it.address
		it.address = at
		size := it.size
		switch {
		case it.padding != nil:
			size, _ = a.padded(it, at)
			size = max(size, 0) // an error, but perhaps only until the labels have settled
		case it.jump != nil:
			it.near = it.near || it.jump.near != nil && a.outOfReach(i, stretch)
			size = it.length()
		}
		moved = moved || it.size != size
		it.size = size
		if at += size; at > MaxImage {
			a.fail(it.line, faultf("the image grows beyond %d bytes here", MaxImage))
			return false
		}
	}
	a.end = at
	return moved
}

// outOfReach reports whether a short jump, the i-th item, doesn't get to its label,
// in a pass that has moved the items so far by stretch. A label further down is
// still where the last pass left it: it is taken to move along, unless there is
// something between that may absorb the movement.
func (a *assembler) outOfReach(i int, stretch int64) bool {
	it := a.items[i]
	v, err := it.target.eval(a.places())
	if err != nil {
		return false
	}
	target := v.n
	if label, ok := it.target.label(0); ok && label > i && stretch != 0 {
		switch {
		case stretch < 0 || a.regionOf(label) == it.region:
			target += stretch
		case target < it.address:
			return false
		}
	}
	return !isByte(target - it.address - it.length())
}

func (a *assembler) regionOf(i int) int {
	if i < len(a.items) {
		return a.items[i].region
	}
	last := a.items[len(a.items)-1]
	return last.region + last.absorbs()
}

// absorbs is 1 for an item that may take up what those before it grow by, so
// that what comes after it stays where it is.
func (it *item) absorbs() int {
	if p := it.padding; p != nil && (p.directive == ".org" || p.directive == ".balign") {
		return 1
	}
	return 0
}

// padded works out how many bytes a padding at an address is; negative is wrong.
func (a *assembler) padded(it *item, at int64) (int64, error) {
	p := it.padding
	v, err := p.count.eval(a.places())
	if err != nil {
		return 0, err
	}
	switch p.directive {
	case ".org":
		if v.addresses > 1 || v.addresses < 0 {
			return 0, faultf("this is no address: it adds addresses up")
		}
		if v.n < at {
			return -1, faultf(".org to %#x, but %#x is reached already: it can't go back", v.n, at)
		}
		return v.n - at, nil
	case ".balign":
		return -at & (v.n - 1), nil
	}
	switch {
	case v.addresses != 0:
		return 0, faultf("%s takes a count, not an address", p.directive)
	case v.n < 0:
		return -1, faultf("%s with a count of %d", p.directive, v.n)
	case v.n > MaxImage:
		return MaxImage + 1, nil // the pass says that it is too much
	}
	return v.n * int64(p.unit), nil
}

// length is how many bytes a jump is.
func (it *item) length() int64 { return int64(len(it.opcode()) + it.reach()) }

func (it *item) opcode() []byte {
	if it.near {
		return it.jump.near
	}
	return it.jump.short
}

// reach is how many bytes a jump's distance takes.
func (it *item) reach() int {
	if it.near {
		return it.mode / 8
	}
	return 1
}

func (a *assembler) places() *places {
	return &places{address: func(i int) int64 {
		if i < len(a.items) {
			return a.items[i].address
		}
		return a.end
	}}
}

func (a *assembler) emit() *Image {
	image := &Image{}
	items := a.items
	if len(items) > 0 && items[0].padding != nil && items[0].padding.directive == ".org" {
		if _, err := a.padded(items[0], 0); err != nil {
			a.fail(items[0].line, err)
		}
		image.Origin = int(items[0].size)
		items = items[1:]
	}
	for _, it := range items {
		b, err := a.fill(it)
		if err != nil && !a.fail(it.line, err) {
			return nil
		}
		if len(b) == 0 {
			continue
		}
		image.Bytes = append(image.Bytes, b...)
		last := len(image.Lines) - 1
		if last >= 0 && it.mode == 0 && image.Lines[last].Number == it.line {
			image.Lines[last].Bytes = append(image.Lines[last].Bytes, b...)
			continue
		}
		image.Lines = append(image.Lines, Line{Number: it.line, Address: int(it.address), Bytes: b, Mode: it.mode})
	}
	return image
}

// fill makes an item's bytes, now that every address is known.
func (a *assembler) fill(it *item) ([]byte, error) {
	switch {
	case it.padding != nil:
		if _, err := a.padded(it, it.address); err != nil {
			return nil, err
		}
		b := make([]byte, it.size)
		for at := 0; at < len(b); at += it.padding.unit {
			a.put(b[at:at+it.padding.unit], it.padding.value)
		}
		return b, nil
	case it.jump != nil:
		return a.fillJump(it)
	case it.form != nil:
		return a.fillForm(it)
	}
	for _, f := range it.fixups {
		v, err := f.value.eval(a.places())
		switch {
		case err != nil:
			return nil, err
		case v.addresses != 0 && v.addresses != 1:
			return nil, faultf("this is neither a number nor an address: it adds addresses up")
		case v.addresses == 1 && f.size == 1:
			return nil, faultf("an address doesn't go into a byte")
		case !fitsIn(v.n, f.size, f.unsigned):
			return nil, misfit(v.n, f.size, f.unsigned)
		case v.addresses == 0 && f.short != nil && f.short(v.n):
			return nil, faultf("%d (%#x) would have had a shorter encoding, but wasn't known here: define it, as a number, above this line", v.n, v.n)
		}
		a.put(it.bytes[f.at:f.at+f.size], v.n)
	}
	return it.bytes, nil
}

func (a *assembler) fillJump(it *item) ([]byte, error) {
	v, err := it.target.eval(a.places())
	if err != nil {
		return nil, err
	}
	if v.addresses != 1 {
		return nil, faultf("a jump goes to a label, this is a number")
	}
	distance := v.n - it.address - it.size
	if !it.near && !isByte(distance) {
		return nil, faultf("the label is %d bytes away, and this jump reaches only from -128 to 127", distance)
	}
	if limit := int64(1) << (8*it.reach() - 1); distance < -limit || distance >= limit {
		return nil, faultf("the label is %d bytes away, too far in %d-bit code", distance, it.mode)
	}
	b := append([]byte{}, it.opcode()...)
	b = append(b, make([]byte, it.reach())...)
	a.put(b[len(it.opcode()):], distance)
	return b, nil
}

// put writes n's low bytes, as many as b has, in the architecture's order.
func (a *assembler) put(b []byte, n int64) {
	var all [8]byte
	a.arch.order.PutUint64(all[:], uint64(n))
	if a.arch.order == binary.BigEndian {
		copy(b, all[len(all)-len(b):])
		return
	}
	copy(b, all[:])
}
