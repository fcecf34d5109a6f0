package asm

// address appends the ModRM byte, the SIB byte and the displacement.
func (c *code) address(o *operand, middle byte, mode int) {
	modRM := func(mod, rm byte) { c.bytes = append(c.bytes, mod<<6|middle<<3|rm) }
	switch {
	case o.kind == kindRegister:
		modRM(3, o.register.number)
		return
	case o.absolute() && mode == 16:
		modRM(0, 6)
		c.number(fixup{size: 2, value: o.value})
		return
	case o.absolute():
		modRM(0, 5)
		c.number(fixup{size: 4, value: o.value})
		return
	}
	const sib, none = 4, 5 // as r/m: a SIB byte follows; as base: there is none
	base, rm := byte(none), byte(sib)
	if o.base != nil {
		base = o.base.number
	}
	if o.index == nil && base != sib {
		rm = base
	}
	mod, width := o.displacement()
	modRM(mod, rm)
	if rm == sib {
		index, scale := byte(4), byte(0)
		if o.index != nil {
			index = o.index.number
			scale = map[int]byte{1: 0, 2: 1, 4: 2, 8: 3}[o.scale]
		}
		c.bytes = append(c.bytes, scale<<6|index<<3|base)
	}
	value := o.value
	if value == nil {
		value = &expr{}
	}
	switch width {
	case 1:
		n, _ := value.settled()
		c.bytes = append(c.bytes, byte(n))
	case 4:
		f := fixup{size: 4, value: value}
		if _, ok := value.settled(); !ok && o.base != nil {
			f.short = func(n int64) bool { return isByte(signed(n, 'l')) }
		}
		c.number(f)
	}
}

// displacement is how an address with registers writes its displacement: the
// mod field, and the bytes that follow.
func (o *operand) displacement() (mod byte, width int) {
	n, settled := o.value.settled()
	switch {
	case o.base == nil:
		return 0, 4
	case o.value == nil || settled && n == 0:
		if o.base.number == 5 { // %ebp can't go without
			return 1, 1
		}
		return 0, 0
	case settled && fitsIn(n, 4, false) && isByte(signed(n, 'l')):
		return 1, 1
	}
	return 2, 4
}
