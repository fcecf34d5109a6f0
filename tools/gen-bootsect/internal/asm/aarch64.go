package asm

import "encoding/binary"

// aarch64 is A64, as GNU as takes it. Numbers may have a # before them.
func aarch64() *architecture {
	set := aarch64Set()
	return &architecture{name: "aarch64", comment: "//", order: binary.LittleEndian, instruction: set.instruction, ignored: map[string][]string{}}
}

func aarch64Set() *fixedSet {
	zero := func(letter string) map[string]int64 {
		return with(numbered(letter, 31), map[string]int64{letter + "zr": 31})
	}
	stack := with(numbered("x", 31), map[string]int64{"sp": 31})
	wstack := with(numbered("w", 31), map[string]int64{"wsp": 31})
	x, w := zero("x"), zero("w")
	d, upper := numbered("d", 32), map[string]int64{}
	for n := range 32 {
		upper["v"+itoa(n)+".d"] = int64(n)
	}
	half := func(n uint64) uint64 { return at(21, 2)(n / 16) }
	set := &fixedSet{forms: map[string][]*fixedForm{}, fields: map[string]field{
		"Xd": registersAt(x, 0), "Xn": registersAt(x, 5), "Xm": registersAt(x, 16), "Xt2": registersAt(x, 10),
		"Wd": registersAt(w, 0), "Wn": registersAt(w, 5), "Wm": registersAt(w, 16),
		"SPd": registersAt(stack, 0), "SPn": registersAt(stack, 5),
		"WSPd": registersAt(wstack, 0), "WSPn": registersAt(wstack, 5),
		"Dd": registersAt(d, 0), "Dn": registersAt(d, 5),
		"Vd": registersAt(upper, 0), "Vn": registersAt(upper, 5),
		"right":   unsignedAt(16, 6),
		"left":    {high: 63, place: func(n uint64) uint64 { return at(16, 6)(-n) | at(10, 6)(63-n) }},
		"imm12":   unsignedAt(10, 12),
		"imm16":   unsignedAt(5, 16),
		"half":    {high: 48, step: 16, place: half},
		"offset1": scaledAt(10, 12, 0), "offset4": scaledAt(10, 12, 2), "offset8": scaledAt(10, 12, 3),
		"step":     signedAt(12, 9),
		"near":     relativeTo(21, 4, func(n uint64) uint64 { return at(5, 19)(n >> 2) }),
		"far":      relativeTo(28, 4, func(n uint64) uint64 { return at(0, 26)(n >> 2) }),
		"tested":   relativeTo(16, 4, func(n uint64) uint64 { return at(5, 14)(n >> 2) }),
		"bit":      {high: 63, place: func(n uint64) uint64 { return at(31, 1)(n>>5) | at(19, 5)(n) }},
		"here":     relativeTo(21, 1, func(n uint64) uint64 { return at(29, 2)(n) | at(5, 19)(n>>2) }),
		"daif":     unsignedAt(8, 4),
		"readable": {place: at(5, 15), registers: with(aarch64SystemRegisters(), aarch64ReadOnlyRegisters())},
		"writable": {place: at(5, 15), registers: with(aarch64SystemRegisters(), aarch64WriteOnlyRegisters())},
	}}
	for _, i := range []struct {
		mnemonic, syntax string
		bits             uint64
	}{
		{"movz", "Xd,imm16", 0xd2800000},
		{"movz", "Xd,imm16,lsl half", 0xd2800000},
		{"movk", "Xd,imm16", 0xf2800000},
		{"movk", "Xd,imm16,lsl half", 0xf2800000},
		{"movz", "Wd,imm16", 0x52800000},
		{"mov", "Xd,Xm", 0xaa0003e0},
		{"add", "Xd,Xn,Xm", 0x8b000000},
		{"add", "SPd,SPn,imm12", 0x91000000},
		{"add", "SPd,SPn,imm12,lsl 12", 0x91400000},
		{"add", "WSPd,WSPn,imm12", 0x11000000},
		{"sub", "Xd,Xn,Xm", 0xcb000000},
		{"sub", "SPd,SPn,imm12", 0xd1000000},
		{"subs", "Xd,SPn,imm12", 0xf1000000},
		{"cmp", "Xn,Xm", 0xeb00001f},
		{"cmp", "SPn,imm12", 0xf100001f},
		{"cmp", "Wn,Wm", 0x6b00001f},
		{"and", "Xd,Xn,Xm", 0x8a000000},
		{"orr", "Xd,Xn,Xm", 0xaa000000},
		{"eor", "Xd,Xn,Xm", 0xca000000},
		{"mul", "Xd,Xn,Xm", 0x9b007c00},
		{"udiv", "Xd,Xn,Xm", 0x9ac00800},
		{"lslv", "Xd,Xn,Xm", 0x9ac02000},
		{"lsrv", "Xd,Xn,Xm", 0x9ac02400},
		{"lsr", "Xd,Xn,right", 0xd340fc00},
		{"lsl", "Xd,Xn,left", 0xd3400000},
		{"fmov", "Dd,Xn", 0x9e670000},
		{"fmov", "Xd,Dn", 0x9e660000},
		{"fmov", "Vd[1],Xn", 0x9eaf0000},
		{"fmov", "Xd,Vn[1]", 0x9eae0000},
		{"ldrb", "Wd,[SPn]", 0x39400000},
		{"ldrb", "Wd,[SPn,offset1]", 0x39400000},
		{"strb", "Wd,[SPn]", 0x39000000},
		{"strb", "Wd,[SPn,offset1]", 0x39000000},
		{"ldr", "Wd,[SPn]", 0xb9400000},
		{"ldr", "Wd,[SPn,offset4]", 0xb9400000},
		{"str", "Wd,[SPn]", 0xb9000000},
		{"str", "Wd,[SPn,offset4]", 0xb9000000},
		{"ldr", "Xd,[SPn]", 0xf9400000},
		{"ldr", "Xd,[SPn,offset8]", 0xf9400000},
		{"str", "Xd,[SPn]", 0xf9000000},
		{"str", "Xd,[SPn,offset8]", 0xf9000000},
		{"ldr", "Xd,near", 0x58000000},
		{"adr", "Xd,here", 0x10000000},
		{"b", "far", 0x14000000},
		{"bl", "far", 0x94000000},
		{"b.eq", "near", 0x54000000},
		{"b.ne", "near", 0x54000001},
		{"b.hs", "near", 0x54000002},
		{"b.lo", "near", 0x54000003},
		{"b.mi", "near", 0x54000004},
		{"b.hi", "near", 0x54000008},
		{"b.ls", "near", 0x54000009},
		{"b.ge", "near", 0x5400000a},
		{"b.lt", "near", 0x5400000b},
		{"cbz", "Xd,near", 0xb4000000},
		{"cbnz", "Xd,near", 0xb5000000},
		{"cbz", "Wd,near", 0x34000000},
		{"cbnz", "Wd,near", 0x35000000},
		{"tbz", "Xd,bit,tested", 0x36000000},
		{"tbnz", "Xd,bit,tested", 0x37000000},
		{"br", "Xn", 0xd61f0000},
		{"blr", "Xn", 0xd63f0000},
		{"ret", "", 0xd65f03c0},
		{"eret", "", 0xd69f03e0},
		{"mrs", "Xd,readable", 0xd5300000},
		{"msr", "writable,Xd", 0xd5100000},
		{"msr", "daifset,daif", 0xd50340df},
		{"msr", "daifclr,daif", 0xd50340ff},
		{"hvc", "imm16", 0xd4000002},
		{"isb", "", 0xd5033fdf},
		{"dsb", "sy", 0xd5033f9f},
		{"wfi", "", 0xd503207f},
		{"nop", "", 0xd503201f},
	} {
		set.add(i.mnemonic, i.syntax, i.bits, 4)
	}
	return set
}

// systemRegister is the number of one: op0 less 2, op1, CRn, CRm and
// op2, one behind the other.
func systemRegister(op0, op1, n, m, op2 int64) int64 {
	return (op0-2)<<14 | op1<<11 | n<<7 | m<<3 | op2
}

func aarch64ReadOnlyRegisters() map[string]int64 {
	return map[string]int64{
		"mpidr_el1":  systemRegister(3, 0, 0, 0, 5),
		"cntpct_el0": systemRegister(3, 3, 14, 0, 1),
		"cntvct_el0": systemRegister(3, 3, 14, 0, 2),
	}
}

func aarch64WriteOnlyRegisters() map[string]int64 {
	return map[string]int64{"oslar_el1": systemRegister(2, 0, 1, 0, 4)}
}

func aarch64SystemRegisters() map[string]int64 {
	number := systemRegister
	return map[string]int64{
		"sctlr_el1": number(3, 0, 1, 0, 0),
		"vbar_el1":  number(3, 0, 12, 0, 0),
		"elr_el1":   number(3, 0, 4, 0, 1),
		"spsr_el1":  number(3, 0, 4, 0, 0),
		"esr_el1":   number(3, 0, 5, 2, 0),
		"tpidr_el1": number(3, 0, 13, 0, 4),

		"dbgbvr0_el1": number(2, 0, 0, 0, 4), "dbgwvr0_el1": number(2, 0, 0, 0, 6),
		"dbgwcr0_el1": number(2, 0, 0, 0, 7), "mdscr_el1": number(2, 0, 0, 2, 2),
		"cpacr_el1": number(3, 0, 1, 0, 2), "ttbr0_el1": number(3, 0, 2, 0, 0), "ttbr1_el1": number(3, 0, 2, 0, 1),
		"sp_el0": number(3, 0, 4, 1, 0), "far_el1": number(3, 0, 6, 0, 0), "mair_el1": number(3, 0, 10, 2, 0),
		"contextidr_el1": number(3, 0, 13, 0, 1), "cntkctl_el1": number(3, 0, 14, 1, 0),
		"fpcr": number(3, 3, 4, 4, 0), "fpsr": number(3, 3, 4, 4, 1),
		"tpidr_el0": number(3, 3, 13, 0, 2), "tpidrro_el0": number(3, 3, 13, 0, 3),
		"cntfrq_el0": number(3, 3, 14, 0, 0), "cntp_tval_el0": number(3, 3, 14, 2, 0), "cntp_ctl_el0": number(3, 3, 14, 2, 1),
		"cntv_tval_el0": number(3, 3, 14, 3, 0), "cntv_ctl_el0": number(3, 3, 14, 3, 1),
	}
}
