package asm

type operandKind uint8

const (
	kindImmediate operandKind = iota
	kindRegister
	kindMemory // or the target of a jump
)

// An operand is what the source says, before it is known which form of the
// instruction takes it.
type operand struct {
	kind     operandKind
	register register
	value    *expr // the immediate; the displacement, nil if there is none
	base     *register
	index    *register
	scale    int
}

// absolute says that a memory operand is an address and nothing else.
func (o *operand) absolute() bool { return o.base == nil && o.index == nil }

func (o *operand) checkAddress() error {
	for _, r := range []*register{o.base, o.index} {
		switch {
		case r == nil:
		case r.class != class32:
			return faultf("%%%s can't be part of an address: only 32-bit registers can", r.name)
		case r == o.index && r.number == 4:
			return faultf("%%esp can't be an index")
		}
	}
	if o.absolute() {
		return faultf("expected a register between the parentheses")
	}
	return nil
}

type registerClass uint8

const (
	class8       registerClass = iota
	class16                    // general
	class32                    // general
	classSegment               // %cs is missing: it can't be loaded, and nothing here needs to read it
	classControl
	classDebug
)

type register struct {
	name   string
	class  registerClass
	number byte
}

func registerNamed(name string) (register, bool) {
	for class, names := range [...][]string{
		class8:       {"al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"},
		class16:      {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"},
		class32:      {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"},
		classSegment: {"es", "", "ss", "ds", "fs", "gs"},
		classControl: {"cr0", "", "cr2", "cr3", "cr4"},
		classDebug:   {"dr0", "dr1", "dr2", "dr3", "", "", "dr6", "dr7"},
	} {
		for number, n := range names {
			if n == name && n != "" {
				return register{name, registerClass(class), byte(number)}, true
			}
		}
	}
	return register{}, false
}

// size is the suffix that a register of the class goes with, 0 for those that
// say nothing of an operand's size.
func (c registerClass) size() byte {
	switch c {
	case class8:
		return 'b'
	case class16:
		return 'w'
	case class32:
		return 'l'
	}
	return 0
}
