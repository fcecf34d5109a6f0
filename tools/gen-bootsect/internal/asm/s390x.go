package asm

import "encoding/binary"

// s390x is z/Architecture, as GNU as takes it. A register has a % before its name.
func s390x() *architecture {
	set := s390xSet()
	return &architecture{name: "s390x", comment: "#", order: binary.BigEndian, instruction: set.instruction, ignored: map[string][]string{}}
}

// Instructions have 2, 4 or 6 bytes, and an operand's place is counted from the end, so the
// name of a field has the length in it. An operand that is a label is counted in halfwords. As a
// base %r0 would be none.
func s390xSet() *fixedSet {
	general, floating, access := numbered("r", 16), numbered("f", 16), numbered("a", 16)
	register := func(bit int) field { return field{registers: general, place: at(bit, 4)} }
	base := func(bit int) field { return field{registers: withoutZero(general), place: at(bit, 4)} }
	control := func(bit int) field { return field{registers: numbered("c", 16), place: at(bit, 4)} }
	halfwords := func(width, bit int) field {
		return relativeTo(width+1, 2, func(n uint64) uint64 { return at(bit, width)(n >> 1) })
	}
	vector := func(bit, upper int) field {
		return field{registers: numbered("v", 32), place: func(n uint64) uint64 { return at(bit, 4)(n) | at(upper, 1)(n>>4) }}
	}
	long := signedAt(0, 20)
	long.place = func(n uint64) uint64 { return at(16, 12)(n) | at(8, 8)(n>>12) }
	set := &fixedSet{forms: map[string][]*fixedForm{}, fields: map[string]field{
		"R2": register(0),
		"R4": register(20), "B4": base(12), "First": register(4), "Second": register(0),
		"Pair": {registers: even(general), place: at(4, 4)},
		"S4":   register(16),
		"F1":   {registers: floating, place: at(4, 4)},
		"F2":   {registers: floating, place: at(0, 4)},
		"A4":   {registers: access, place: at(20, 4)},
		"A5":   {registers: access, place: at(16, 4)},
		"V6":   vector(36, 11), "V7": vector(32, 10),
		"R6": register(36), "S6": register(32), "B6": base(28), "C6": control(36), "D6": control(32),
		"byte":  unsignedAt(16, 8),
		"short": unsignedAt(0, 12),
		"long":  long,
		"half":  signedAt(0, 16),
		"upper": unsignedAt(0, 16),
		"word":  unsignedAt(0, 32),
		"wide":  signedAt(0, 32),
		"place": unsignedAt(16, 12),
		"near":  halfwords(16, 0),
		"far":   halfwords(32, 0),
		"there": halfwords(16, 16),
		"shift": {high: 63, place: at(16, 6)},
		"tiny":  unsignedAt(8, 8),
	}}
	for _, i := range []struct {
		mnemonic, syntax string
		bits             uint64
		size             int
	}{
		{"br", "%R2", 0x07f0, 2},
		{"spm", "%First", 0x0400, 2},
		{"sckpf", "", 0x0107, 2},
		{"aghi", "%R4,half", 0xa70b0000, 4},
		{"lghi", "%R4,half", 0xa7090000, 4},
		{"llilh", "%R4,upper", 0xa50e0000, 4},
		{"oill", "%R4,upper", 0xa50b0000, 4},
		{"ic", "%R4,short(%B4)", 0x43000000, 4},
		{"stc", "%R4,short(%B4)", 0x42000000, 4},
		{"l", "%R4,short(%B4)", 0x58000000, 4},
		{"st", "%R4,short(%B4)", 0x50000000, 4},
		{"la", "%R4,short(%B4)", 0x41000000, 4},
		{"mvi", "short(%B4),byte", 0x92000000, 4},
		{"ni", "short,byte", 0x94000000, 4},
		{"clgr", "%First,%Second", 0xb9210000, 4},
		{"lgr", "%First,%Second", 0xb9040000, 4},
		{"agr", "%First,%Second", 0xb9080000, 4},
		{"dlgr", "%Pair,%Second", 0xb9870000, 4},
		{"msgr", "%First,%Second", 0xb90c0000, 4},
		{"ngr", "%First,%Second", 0xb9800000, 4},
		{"ogr", "%First,%Second", 0xb9810000, 4},
		{"sgr", "%First,%Second", 0xb9090000, 4},
		{"epsw", "%First,%Second", 0xb98d0000, 4},
		{"ldgr", "%F1,%Second", 0xb3c10000, 4},
		{"lgdr", "%First,%F2", 0xb3cd0000, 4},
		{"ddbr", "%F1,%F2", 0xb31d0000, 4},
		{"sfpc", "%First", 0xb3840000, 4},
		{"sske", "%First,%Second", 0xb22b0000, 4},
		{"brctg", "%R4,near", 0xa7070000, 4},
		{"j", "near", 0xa7f40000, 4},
		{"jh", "near", 0xa7240000, 4},
		{"jl", "near", 0xa7440000, 4},
		{"je", "near", 0xa7840000, 4},
		{"jne", "near", 0xa7740000, 4},
		{"lam", "%A4,%A5,short(%B4)", 0x9a000000, 4},
		{"stam", "%A4,%A5,short(%B4)", 0x9b000000, 4},
		{"sigp", "%R4,%S4,short", 0xae000000, 4},
		{"spka", "short", 0xb20a0000, 4},
		{"lpswe", "short(%B4)", 0xb2b20000, 4},
		{"lpswe", "short", 0xb2b20000, 4},
		{"stap", "short(%B4)", 0xb2120000, 4},
		{"stap", "short", 0xb2120000, 4},
		{"stck", "short(%B4)", 0xb2050000, 4},
		{"stcke", "short(%B4)", 0xb2780000, 4},
		{"sckc", "short(%B4)", 0xb2060000, 4},
		{"stckc", "short(%B4)", 0xb2070000, 4},
		{"spt", "short(%B4)", 0xb2080000, 4},
		{"stpt", "short(%B4)", 0xb2090000, 4},
		{"spx", "short(%B4)", 0xb2100000, 4},
		{"stpx", "short(%B4)", 0xb2110000, 4},
		{"lfpc", "short(%B4)", 0xb29d0000, 4},
		{"stfpc", "short(%B4)", 0xb29c0000, 4},
		{"stfle", "short(%B4)", 0xb2b00000, 4},
		{"stosm", "short(%B4),byte", 0xad000000, 4},
		{"stnsm", "short(%B4),byte", 0xac000000, 4},
		{"larl", "%R6,far", 0xc00000000000, 6},
		{"lgfi", "%R6,wide", 0xc00100000000, 6},
		{"brasl", "%R6,far", 0xc00500000000, 6},
		{"llilf", "%R6,word", 0xc00f00000000, 6},
		{"lg", "%R6,long(%B6)", 0xe30000000004, 6},
		{"lg", "%R6,long", 0xe30000000004, 6},
		{"stg", "%R6,long(%B6)", 0xe30000000024, 6},
		{"stg", "%R6,long", 0xe30000000024, 6},
		{"llgc", "%R6,long(%B6)", 0xe30000000090, 6},
		{"llgh", "%R6,long(%B6)", 0xe30000000091, 6},
		{"llgh", "%R6,long", 0xe30000000091, 6},
		{"llgf", "%R6,long(%B6)", 0xe30000000016, 6},
		{"strv", "%R6,long(%B6)", 0xe3000000003e, 6},
		{"rll", "%R6,%S6,shift", 0xeb000000001d, 6},
		{"sllg", "%R6,%S6,shift", 0xeb000000000d, 6},
		{"sllg", "%R6,%S6,shift(%B6)", 0xeb000000000d, 6},
		{"srlg", "%R6,%S6,shift", 0xeb000000000c, 6},
		{"srlg", "%R6,%S6,shift(%B6)", 0xeb000000000c, 6},
		{"lmg", "%R6,%S6,long(%B6)", 0xeb0000000004, 6},
		{"lmg", "%R6,%S6,long", 0xeb0000000004, 6},
		{"stmg", "%R6,%S6,long(%B6)", 0xeb0000000024, 6},
		{"stmg", "%R6,%S6,long", 0xeb0000000024, 6},
		{"lctlg", "%C6,%D6,long(%B6)", 0xeb000000002f, 6},
		{"stctg", "%C6,%D6,long(%B6)", 0xeb0000000025, 6},
		{"vlm", "%V6,%V7,place(%B6)", 0xe70000000036, 6},
		{"vstm", "%V6,%V7,place(%B6)", 0xe7000000003e, 6},
	} {
		set.add(i.mnemonic, i.syntax, i.bits, i.size)
	}
	// A comparison and its branch in one, which leave the condition code as it is.
	for _, c := range []struct {
		suffix string
		mask   uint64
	}{{"h", 2}, {"l", 4}, {"ne", 6}, {"e", 8}, {"nl", 10}, {"nh", 12}} {
		set.add("clgrj"+c.suffix, "%R6,%S6,there", 0xec0000000065|at(12, 4)(c.mask), 6)
		set.add("cgrj"+c.suffix, "%R6,%S6,there", 0xec0000000064|at(12, 4)(c.mask), 6)
		set.add("clgij"+c.suffix, "%R6,tiny,there", 0xec000000007d|at(32, 4)(c.mask), 6)
	}
	return set
}
