package asm

import (
	"slices"
	"strings"
)

// A fixup is a number in an item's bytes, filled in once all addresses are known.
type fixup struct {
	at, size int // where and how wide, in bytes
	value    *expr
	unsigned bool // from 0 up; otherwise from the lowest signed to the highest unsigned

	// short tells the values for which GNU as might have taken a shorter
	// encoding, had it known them in time. Whether it does depends on where its
	// labels happen to lie, so such a value is refused. Nil: there is none.
	short func(int64) bool
}

// code is one encoded instruction.
type code struct {
	bytes  []byte
	fixups []fixup
}

// encode makes bytes of an instruction other than a jump. mode is 16 or 32.
func (set instructionSet) encode(mnemonic string, operands []operand, mode int) (code, error) {
	forms, suffix, err := set.find(mnemonic)
	if err != nil {
		return code{}, err
	}
	ambiguous := false
	for i := range forms {
		m := match{form: &forms[i], operands: operands, size: suffix, mode: mode}
		fits, err := m.fits(suffix != 0)
		if err != nil {
			return code{}, err
		}
		if fits && m.size == 0 && m.form.sizes != "" {
			ambiguous = true
			continue
		}
		if fits {
			return m.encode()
		}
	}
	if ambiguous {
		return code{}, faultf("%s doesn't say how wide it is: add b, w or l to its name", mnemonic)
	}
	return code{}, faultf("%s doesn't take these operands", mnemonic)
}

// find looks a mnemonic up, first as it is and then without its last letter,
// which then is the suffix.
func (set instructionSet) find(mnemonic string) (forms []form, suffix byte, err error) {
	if forms, ok := set.forms[mnemonic]; ok {
		return forms, 0, nil
	}
	if n := len(mnemonic) - 1; n > 0 && strings.IndexByte("bwl", mnemonic[n]) >= 0 {
		forms, ok := set.forms[mnemonic[:n]]
		if ok && slices.ContainsFunc(forms, func(f form) bool { return f.sizes != "" }) {
			return forms, mnemonic[n], nil
		}
	}
	return nil, 0, faultf("unknown instruction %s", mnemonic)
}

// A match is a form tried on the operands of a statement.
type match struct {
	form     *form
	operands []operand
	size     byte // b, w or l; 0 while nothing has set it
	mode     int
}

// fits reports whether the form takes the operands and works out the size.
func (m *match) fits(suffixed bool) (bool, error) {
	if len(m.operands) != len(m.form.wants) || suffixed && m.form.sizes == "" {
		return false, nil
	}
	for i, want := range m.form.wants {
		o := &m.operands[i]
		if !want.takes(o) {
			return false, nil
		}
		if size := o.register.class.size(); o.kind == kindRegister && want.sized() {
			if m.size != 0 && m.size != size {
				return false, nil
			}
			m.size = size
		}
	}
	if m.size == 0 && m.form.modeSized {
		m.size = map[int]byte{16: 'w', 32: 'l'}[m.mode]
	}
	if m.size != 0 && m.form.sizes != "" && strings.IndexByte(m.form.sizes, m.size) < 0 {
		return false, nil
	}
	return m.valuesFit()
}

// valuesFit tries the immediates that have to have certain values.
func (m *match) valuesFit() (bool, error) {
	for i, want := range m.form.wants {
		n, ok := m.operands[i].value.settled()
		switch want {
		case wantOne:
			if !ok || n != 1 {
				return false, nil
			}
		case wantByteSigned:
			if !ok || m.size == 0 || !fitsIn(n, bytesOf(m.size), false) || !isByte(signed(n, m.size)) {
				return false, m.checkWidth(n, ok)
			}
		}
	}
	return true, nil
}

func (m *match) checkWidth(n int64, settled bool) error {
	if settled && m.size != 0 && !fitsIn(n, bytesOf(m.size), false) {
		return misfit(n, bytesOf(m.size), false)
	}
	return nil
}

// sized says that a register in this place gives the instruction its size.
func (w want) sized() bool {
	return w == wantRegister || w == wantEither || w == wantAccu
}

func (w want) takes(o *operand) bool {
	r := o.register
	switch w {
	case wantMemory:
		return o.kind == kindMemory
	case wantAddress:
		return o.kind == kindMemory && o.absolute()
	case wantEither:
		return o.kind == kindMemory || o.kind == kindRegister && r.class.size() != 0
	case wantImmediate, wantByteSigned, wantByte, wantOne, wantSelector, wantOffset:
		return o.kind == kindImmediate
	}
	if o.kind != kindRegister {
		return false
	}
	switch w {
	case wantRegister:
		return r.class.size() != 0
	case wantAccu:
		return r.class.size() != 0 && r.number == 0
	case wantCL:
		return r.name == "cl"
	case wantDX:
		return r.name == "dx"
	case wantSegment:
		return r.class == classSegment
	case wantControl:
		return r.class == classControl
	case wantDebug:
		return r.class == classDebug
	case wantWord:
		return r.class == class16
	default: // wantLong
		return r.class == class32
	}
}

// encode writes prefixes, opcode, address and immediates, in that order.
func (m *match) encode() (code, error) {
	var c code
	f := m.form
	for i := range m.operands {
		if o := &m.operands[i]; o.kind == kindMemory && !o.absolute() && m.mode == 16 {
			c.bytes = append(c.bytes, 0x67)
		}
	}
	if m.mode == 16 && m.size == 'l' || m.mode == 32 && m.size == 'w' {
		c.bytes = append(c.bytes, 0x66)
	}
	c.bytes = append(c.bytes, f.opcode...)
	last := len(c.bytes) - 1
	if m.size != 'b' && strings.Contains(f.sizes, "b") {
		c.bytes[last]++
	}
	rm, middle := m.addressed()
	switch f.layout {
	case inReg:
		c.bytes[last] += m.operands[len(m.operands)-1].register.number
	case digit:
		c.address(rm, f.digit, m.mode)
	case withRM:
		c.address(rm, middle, m.mode)
	}
	for i, want := range f.wants {
		o := &m.operands[i]
		switch want {
		case wantAddress:
			c.number(fixup{size: m.mode / 8, value: o.value})
		case wantImmediate:
			c.number(fixup{size: bytesOf(m.size), value: o.value, short: m.shorter(o)})
		case wantByteSigned:
			n, _ := o.value.settled()
			c.bytes = append(c.bytes, byte(n))
		case wantByte:
			c.number(fixup{size: 1, value: o.value, unsigned: true, short: m.shorter(o)})
		case wantOffset:
			c.number(fixup{size: bytesOf(m.size), value: o.value, unsigned: true})
		}
	}
	// A far jump is written segment first and stored offset first.
	for i, want := range f.wants {
		if want == wantSelector {
			c.number(fixup{size: 2, value: m.operands[i].value, unsigned: true})
		}
	}
	return c, nil
}

// shorter gives the values of an immediate for which the instruction has a
// shorter form than this one.
func (m *match) shorter(o *operand) func(int64) bool {
	if _, ok := o.value.settled(); ok {
		return nil
	}
	switch size := m.size; {
	case m.form.layout == digit && m.form.wants[0] == wantByte:
		return func(n int64) bool { return n == 1 }
	case m.arithmetic() && size != 'b':
		return func(n int64) bool { return isByte(signed(n, size)) }
	}
	return nil
}

// arithmetic says that the instruction also has a form with wantByteSigned.
func (m *match) arithmetic() bool {
	opcode := m.form.opcode[0]
	return opcode == 0x80 || opcode < 0x40 && opcode&7 == 4
}

// addressed finds the operand that a ModRM byte addresses and the number that
// goes into its middle.
func (m *match) addressed() (rm *operand, middle byte) {
	for i, want := range m.form.wants {
		o := &m.operands[i]
		switch want {
		case wantEither, wantMemory, wantWord, wantLong:
			rm = o
		case wantRegister, wantSegment, wantControl, wantDebug:
			middle = o.register.number
			if m.form.layout == digit { // sldt %eax
				rm = o
			}
		}
	}
	if rm == nil && m.form.layout == withRM { // mov %ds, %eax
		rm, middle = &m.operands[1], m.operands[0].register.number
	}
	return rm, middle
}

func (c *code) number(f fixup) {
	f.at = len(c.bytes)
	c.bytes = append(c.bytes, make([]byte, f.size)...)
	c.fixups = append(c.fixups, f)
}
