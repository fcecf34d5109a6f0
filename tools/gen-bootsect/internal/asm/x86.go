package asm

import (
	"encoding/binary"
	"slices"
)

// x86 has 16 and 32 bits, and jumps that are as short as they can be.
func x86() *architecture {
	return &architecture{
		name: "x86", comment: "#", order: binary.LittleEndian,
		instruction: newInstructionSet().instruction,
		ignored:     map[string][]string{},
	}
}

func (set instructionSet) instruction(a *assembler, l *line, mnemonic string) error {
	if j, ok := set.jumps[mnemonic]; ok {
		return a.jump(l, mnemonic, j)
	}
	repeated := mnemonic == "rep"
	if repeated {
		t := l.next()
		if mnemonic = t.text; t.kind != tokenName || !repeatable(mnemonic) {
			return faultf("rep goes before movs, stos or lods, with b, w or l behind it: found %v", t)
		}
	}
	operands, err := l.operands()
	if err != nil {
		return err
	}
	c, err := set.encode(mnemonic, operands, a.mode)
	if err != nil {
		return err
	}
	if repeated { // between the prefix for the operand's size and the opcode, its last byte
		c.bytes = slices.Insert(c.bytes, len(c.bytes)-1, 0xf3)
	}
	a.add(&item{mode: a.mode, bytes: c.bytes, fixups: c.fixups})
	return nil
}

func repeatable(mnemonic string) bool {
	n := len(mnemonic) - 1
	return n > 0 && slices.Contains([]string{"movs", "stos", "lods"}, mnemonic[:n])
}

func (a *assembler) jump(l *line, mnemonic string, j jump) error {
	operands, err := l.operands()
	if err != nil {
		return err
	}
	if len(operands) != 1 || operands[0].kind != kindMemory || !operands[0].absolute() {
		return faultf("%s goes to a label: %s LABEL", mnemonic, mnemonic)
	}
	a.add(&item{mode: a.mode, jump: &j, target: operands[0].value, near: j.short == nil})
	return nil
}
