package asm

import "encoding/binary"

// ppc64 is the Power ISA with 64 bits, big-endian, as GNU as -a64 -mpower8 -mregnames takes it.
// A register has a % before its name.
func ppc64() *architecture {
	set := ppc64Set()
	return &architecture{name: "ppc64", comment: "#", order: binary.BigEndian, instruction: set.instruction, ignored: map[string][]string{}}
}

func ppc64Set() *fixedSet {
	general := numbered("r", 32)
	both := func(n uint64) uint64 { return at(21, 5)(n) | at(11, 5)(n) }
	set := &fixedSet{forms: map[string][]*fixedForm{}, fields: map[string]field{
		"RT": registersAt(general, 21), "RA": registersAt(general, 16), "RB": registersAt(general, 11),
		"Base": registersAt(withoutZero(general), 16), // %r0 would be none
		"RS":   {registers: general, place: both},     // twice
		"SI":   signedAt(0, 16),
		"UI":   unsignedAt(0, 16),
		"DS":   {low: -0x8000, high: 0x7ffc, step: 4, place: at(0, 16)},
		// A shift is a rotation by so many, up to the bit 63 less as many.
		"shift": {high: 63, place: func(n uint64) uint64 {
			last := 63 - n
			return at(11, 5)(n) | at(1, 1)(n>>5) | at(6, 5)(last) | at(5, 1)(last>>5)
		}},
		// A shift to the right is a rotation to the left by what is left of it.
		"down": {high: 63, place: func(n uint64) uint64 {
			turn := (64 - n) & 63
			return at(11, 5)(turn) | at(1, 1)(turn>>5) | at(6, 5)(n) | at(5, 1)(n>>5)
		}},
		"last":  {high: 63, place: func(n uint64) uint64 { return at(6, 5)(63-n) | at(5, 1)((63-n)>>5) }},
		"FT":    registersAt(numbered("f", 32), 21),
		"FA":    registersAt(numbered("f", 32), 16),
		"FB":    registersAt(numbered("f", 32), 11),
		"VT":    registersAt(numbered("v", 32), 21),
		"VB":    registersAt(numbered("v", 32), 11),
		"XT":    {registers: numbered("vs", 64), place: func(n uint64) uint64 { return at(21, 5)(n) | n>>5 }},
		"first": {high: 63, place: func(n uint64) uint64 { return at(6, 5)(n) | at(5, 1)(n>>5) }},
		"turn":  unsignedAt(11, 5),
		"spr":   {high: 1023, place: func(n uint64) uint64 { return at(16, 5)(n) | at(11, 5)(n>>5) }},
		"level": {high: 1, place: at(5, 7)},
		"near":  relativeTo(16, 4, func(n uint64) uint64 { return at(2, 14)(n >> 2) }),
		"far":   relativeTo(26, 4, func(n uint64) uint64 { return at(2, 24)(n >> 2) }),
	}}
	for _, i := range []struct {
		mnemonic, syntax string
		bits             uint64
	}{
		{"li", "%RT,SI", 0x38000000},
		{"lis", "%RT,SI", 0x3c000000},
		{"addi", "%RT,%Base,SI", 0x38000000},
		{"mr", "%RA,%RS", 0x7c000378},
		{"sldi", "%RA,%RT,shift", 0x78000004},
		{"lbz", "%RT,SI(%Base)", 0x88000000},
		{"stb", "%RT,SI(%Base)", 0x98000000},
		{"ld", "%RT,DS(%Base)", 0xe8000000},
		{"cmpld", "%RA,%RB", 0x7c200040},
		{"cmpldi", "%RA,UI", 0x28200000},
		{"std", "%RT,DS(%Base)", 0xf8000000},
		{"lwz", "%RT,SI(%Base)", 0x80000000},
		{"stw", "%RT,SI(%Base)", 0x90000000},
		{"stwbrx", "%RT,0,%RB", 0x7c00052c},
		{"add", "%RT,%RA,%RB", 0x7c000214},
		{"subf", "%RT,%RA,%RB", 0x7c000050},
		{"mulld", "%RT,%RA,%RB", 0x7c0001d2},
		{"mulli", "%RT,%RA,SI", 0x1c000000},
		{"divdu", "%RT,%RA,%RB", 0x7c000392},
		{"or", "%RA,%RT,%RB", 0x7c000378},
		{"ori", "%RA,%RT,UI", 0x60000000},
		{"clrldi", "%RA,%RT,first", 0x78000000},
		{"rotlwi", "%RA,%RT,turn", 0x5400003e},
		{"sth", "%RT,SI(%Base)", 0xb0000000},
		{"and", "%RA,%RT,%RB", 0x7c000038},
		{"xori", "%RA,%RT,UI", 0x68000000},
		{"sld", "%RA,%RT,%RB", 0x7c000036},
		{"srdi", "%RA,%RT,down", 0x78000000},
		{"clrrdi", "%RA,%RT,last", 0x78000004},
		{"mfmsr", "%RT", 0x7c0000a6},
		{"mtmsrd", "%RT", 0x7c000164},
		{"rfid", "", 0x4c000024},
		{"mfcr", "%RT", 0x7c000026},
		{"mtcrf", "255,%RT", 0x7c0ff120},
		{"mtcrf", "56,%RT", 0x7c038120}, // CR2 to CR4
		{"mfctr", "%RT", 0x7c0902a6},
		{"mtctr", "%RT", 0x7c0903a6},
		{"mfxer", "%RT", 0x7c0102a6},
		{"mtxer", "%RT", 0x7c0103a6},
		{"slbmte", "%RT,%RB", 0x7c000324},
		{"slbmfee", "%RT,%RB", 0x7c000726},
		{"slbmfev", "%RT,%RB", 0x7c0006a6},
		{"fdiv", "%FT,%FA,%FB", 0xfc000024},
		{"mffs", "%FT", 0xfc00048e},
		{"mtfsf", "255,%FB", 0xfdfe058e},
		{"mtvsrd", "%XT,%RA", 0x7c000166},
		{"mfvsrd", "%RA,%XT", 0x7c000066},
		{"lxvd2x", "%XT,0,%RB", 0x7c000698},
		{"stxvd2x", "%XT,0,%RB", 0x7c000798},
		{"mtvscr", "%VB", 0x10000644},
		{"mfvscr", "%VT", 0x10000604},
		{"mflr", "%RT", 0x7c0802a6},
		{"mtlr", "%RT", 0x7c0803a6},
		{"mftb", "%RT", 0x7c0c42a6},
		{"mfspr", "%RT,spr", 0x7c0002a6},
		{"mtspr", "spr,%RT", 0x7c0003a6},
		{"bge", "near", 0x40800000},
		{"bgt", "near", 0x41810000},
		{"bdnz", "near", 0x42000000},
		{"b", "far", 0x48000000},
		{"bl", "far", 0x48000001},
		{"blt", "near", 0x41800000},
		{"beq", "near", 0x41820000},
		{"bne", "near", 0x40820000},
		{"blr", "", 0x4e800020},
		{"sc", "level", 0x44000002},
	} {
		set.add(i.mnemonic, i.syntax, i.bits, 4)
	}
	return set
}
