package asm

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// A fixedSet is the instructions of an architecture each of which has one length: what is
// written decides which it is, and never what a number comes to.
type fixedSet struct {
	fields map[string]field
	forms  map[string][]*fixedForm // by mnemonic
}

// A fixedForm is one way to write an instruction: the syntax of what follows the mnemonic,
// in which the names of fields stand for operands and all else for itself, and the
// instruction's bits where all operands are 0.
type fixedForm struct {
	mnemonic, syntax string
	bits             uint64
	size             int // in bytes
	tokens           []token
}

// A field is a kind of operand: a register, by name, or a number; and where it goes.
type field struct {
	registers map[string]int64 // nil: a number
	prefixed  bool             // a register may have a % before its name
	low, high int64            // the least and the highest number
	step      int64            // what it must be a multiple of; 0 is 1
	relative  bool             // a label, counted from the instruction's own address
	place     func(n uint64) (bits uint64)
}

// A fixedOperand is one that was read.
type fixedOperand struct {
	field  field
	name   string
	number int64 // of a register
	value  *expr // of a number
}

// at places a number's low bits, as many as width says, from a bit on.
func at(bit, width int) func(uint64) uint64 {
	return func(n uint64) uint64 { return n & (1<<width - 1) << bit }
}

// unsignedAt is a field for numbers from 0 on.
func unsignedAt(bit, width int) field {
	return field{high: 1<<width - 1, place: at(bit, width)}
}

// signedAt is a field for numbers with a sign.
func signedAt(bit, width int) field {
	return field{low: -(1 << (width - 1)), high: 1<<(width-1) - 1, place: at(bit, width)}
}

// scaledAt is a field for numbers from 0 on that are stored as multiples of a power of two.
func scaledAt(bit, width, shift int) field {
	return field{
		high: (1<<width - 1) << shift, step: 1 << shift,
		place: func(n uint64) uint64 { return at(bit, width)(n >> shift) },
	}
}

// relativeTo is a field for a label so far away, in bytes, and a multiple of step.
func relativeTo(bits int, step int64, place func(uint64) uint64) field {
	return field{low: -(1 << (bits - 1)), high: 1<<(bits-1) - step, step: step, relative: true, place: place}
}

// numbered are registers whose names are a letter or more and their number.
func numbered(prefix string, count int) map[string]int64 {
	names := map[string]int64{}
	for n := range count {
		names[prefix+itoa(n)] = int64(n)
	}
	return names
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// with are registers, and some more names of them.
func with(names map[string]int64, more map[string]int64) map[string]int64 {
	all := maps.Clone(names)
	maps.Copy(all, more)
	return all
}

// withoutZero are registers but for the first.
func withoutZero(names map[string]int64) map[string]int64 {
	names = maps.Clone(names)
	maps.DeleteFunc(names, func(_ string, n int64) bool { return n == 0 })
	return names
}

// even are registers with an even number, each of which stands for itself and the next.
func even(names map[string]int64) map[string]int64 {
	names = maps.Clone(names)
	maps.DeleteFunc(names, func(_ string, n int64) bool { return n%2 != 0 })
	return names
}

// registersAt is a field for one of them.
func registersAt(names map[string]int64, bit int) field {
	return field{registers: names, place: at(bit, 5)}
}

// add adds a form. syntax is as GNU as reads it, and scanned once.
func (set *fixedSet) add(mnemonic, syntax string, bits uint64, size int) {
	tokens, err := scan(syntax)
	if err != nil {
		panic("asm: the syntax of " + mnemonic + ": " + err.Error()) // of our own table: a test adds each
	}
	set.forms[mnemonic] = append(set.forms[mnemonic], &fixedForm{mnemonic, syntax, bits, size, tokens})
}

// isRegister says whether a name is that of some register: then it is no number.
func (set *fixedSet) isRegister(name string) bool {
	for _, f := range set.fields {
		if _, ok := f.registers[name]; ok {
			return true
		}
	}
	return false
}

func (set *fixedSet) instruction(a *assembler, l *line, mnemonic string) error {
	forms, ok := set.forms[mnemonic]
	if !ok {
		return faultf("unknown instruction %s", mnemonic)
	}
	begin := l.at
	var syntaxes []string
	for _, f := range forms {
		l.at = begin
		operands, fits, err := set.match(f, l)
		if err != nil {
			return err
		}
		if fits {
			a.add(&item{mode: 64, bytes: make([]byte, f.size), form: f, operands: operands})
			return nil
		}
		syntaxes = append(syntaxes, strings.TrimSpace(mnemonic+" "+f.syntax))
	}
	return faultf("%s doesn't take these operands: write it as %s", mnemonic, strings.Join(syntaxes, " or as "))
}

// match reads a statement's operands as a form has them.
func (set *fixedSet) match(f *fixedForm, l *line) (operands []fixedOperand, fits bool, err error) {
	for _, want := range f.tokens {
		field, isField := set.fields[want.text]
		switch {
		case want.kind == tokenEnd:
			return operands, l.peek().kind == tokenEnd, nil
		case want.kind == tokenName && isField:
			o, fits, err := set.operand(want.text, field, l)
			if err != nil || !fits {
				return nil, false, err
			}
			operands = append(operands, o)
		default:
			if want.kind == tokenNumber {
				l.accept("#")
			}
			if t := l.next(); t.kind != want.kind || t.text != want.text {
				return nil, false, nil
			}
		}
	}
	return operands, true, nil
}

func (set *fixedSet) operand(name string, f field, l *line) (o fixedOperand, fits bool, err error) {
	o = fixedOperand{field: f, name: name}
	if f.registers != nil {
		if f.prefixed {
			l.accept("%")
		}
		t := l.next()
		o.number, fits = f.registers[t.text]
		return o, fits && t.kind == tokenName, nil
	}
	l.accept("#")
	if t := l.peek(); t.kind == tokenName && set.isRegister(t.text) || t.is("%") || t.is("[") {
		return o, false, nil
	}
	o.value, err = l.expression()
	return o, err == nil, err
}

// fillForm makes an instruction's bytes, now that every address is known.
func (a *assembler) fillForm(it *item) ([]byte, error) {
	bits := it.form.bits
	for _, o := range it.operands {
		n := o.number
		if o.value != nil {
			var err error
			if n, err = a.numberOf(it, o); err != nil {
				return nil, err
			}
		}
		bits |= o.field.place(uint64(n))
	}
	b := make([]byte, it.form.size)
	a.put(b, int64(bits))
	if a.arch.order == binary.BigEndian && len(b) == 8 {
		binary.BigEndian.PutUint64(b, bits)
	}
	return b, nil
}

// numberOf is what a number or a label comes to, as it is stored.
func (a *assembler) numberOf(it *item, o fixedOperand) (int64, error) {
	v, err := o.value.eval(a.places())
	if err != nil {
		return 0, err
	}
	n, f := v.n, o.field
	switch {
	case f.relative && v.addresses != 1:
		return 0, faultf("%s goes to a label, this is a number", it.form.mnemonic)
	case f.relative:
		n -= it.address
	case v.addresses != 0:
		return 0, faultf("an address doesn't go into an instruction: only a label as far away as it is")
	}
	switch {
	case f.relative && (n < f.low || n > f.high):
		return 0, faultf("the label is %d bytes away, and %s reaches only from %d to %d", n, it.form.mnemonic, f.low, f.high)
	case n < f.low || n > f.high:
		return 0, faultf("%d (%#x) doesn't go into %s: %s is from %d to %d", n, n, it.form.mnemonic, o.name, f.low, f.high)
	case f.step > 1 && n%f.step != 0:
		return 0, faultf("%d (%#x) doesn't go into %s: %s is a multiple of %d", n, n, it.form.mnemonic, o.name, f.step)
	}
	return n, nil
}

// mnemonics are all that the set has, sorted.
func (set *fixedSet) mnemonics() []string { return slices.Sorted(maps.Keys(set.forms)) }
