package asm

import "encoding/binary"

// riscv64 is RV64 without compressed instructions, as GNU as -march=rv64g -mno-relax takes it.
func riscv64() *architecture {
	set := riscvSet()
	return &architecture{
		name: "riscv64", comment: "#", order: binary.LittleEndian, instruction: set.instruction, relaxes: true,
		ignored: map[string][]string{".option": {"norvc", "norelax"}},
	}
}

func riscvRegisters() map[string]int64 {
	names := with(numbered("x", 32), map[string]int64{"fp": 8})
	for n, name := range []string{
		"zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
		"a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
	} {
		names[name] = int64(n)
	}
	return names
}

func riscvSet() *fixedSet {
	registers := riscvRegisters()
	set := &fixedSet{forms: map[string][]*fixedForm{}, fields: map[string]field{
		"rd":    registersAt(registers, 7),
		"rs1":   registersAt(registers, 15),
		"rs2":   registersAt(registers, 20),
		"imm":   signedAt(20, 12),
		"shamt": unsignedAt(20, 6),
		"upper": unsignedAt(12, 20),
		"store": {low: -2048, high: 2047, place: func(n uint64) uint64 { return at(25, 7)(n>>5) | at(7, 5)(n) }},
		"near": relativeTo(13, 2, func(n uint64) uint64 {
			return at(31, 1)(n>>12) | at(25, 6)(n>>5) | at(8, 4)(n>>1) | at(7, 1)(n>>11)
		}),
		"far": relativeTo(21, 2, func(n uint64) uint64 {
			return at(31, 1)(n>>20) | at(21, 10)(n>>1) | at(20, 1)(n>>11) | at(12, 8)(n>>12)
		}),
		"zimm": unsignedAt(15, 5),
		"fd":   registersAt(numbered("f", 32), 7),
		"fs1":  registersAt(numbered("f", 32), 15),
		"csr": {place: at(20, 12), registers: map[string]int64{
			"mstatus": 0x300, "misa": 0x301, "mie": 0x304, "mtvec": 0x305, "mscratch": 0x340, "mepc": 0x341,
			"mcause": 0x342, "mtval": 0x343, "mip": 0x344, "mhartid": 0xf14, "satp": 0x180, "cycle": 0xc00, "time": 0xc01,
			"medeleg": 0x302, "mideleg": 0x303, "mcounteren": 0x306, "pmpcfg0": 0x3a0, "pmpaddr0": 0x3b0,
			"stvec": 0x105, "scounteren": 0x106, "sscratch": 0x140, "sepc": 0x141, "scause": 0x142, "stval": 0x143,
			"fflags": 0x001, "frm": 0x002, "fcsr": 0x003,
		}},
	}}
	for _, i := range []struct {
		mnemonic, syntax string
		bits             uint64
	}{
		{"lui", "rd,upper", 0x37},
		{"auipc", "rd,upper", 0x17},
		{"addi", "rd,rs1,imm", 0x13},
		{"slti", "rd,rs1,imm", 0x2013},
		{"sltiu", "rd,rs1,imm", 0x3013},
		{"xori", "rd,rs1,imm", 0x4013},
		{"ori", "rd,rs1,imm", 0x6013},
		{"andi", "rd,rs1,imm", 0x7013},
		{"slli", "rd,rs1,shamt", 0x1013},
		{"srli", "rd,rs1,shamt", 0x5013},
		{"srai", "rd,rs1,shamt", 0x40005013},
		{"addiw", "rd,rs1,imm", 0x1b},
		{"add", "rd,rs1,rs2", 0x33},
		{"sub", "rd,rs1,rs2", 0x40000033},
		{"sll", "rd,rs1,rs2", 0x1033},
		{"sltu", "rd,rs1,rs2", 0x3033},
		{"xor", "rd,rs1,rs2", 0x4033},
		{"or", "rd,rs1,rs2", 0x6033},
		{"and", "rd,rs1,rs2", 0x7033},
		{"mul", "rd,rs1,rs2", 0x2000033},
		{"divu", "rd,rs1,rs2", 0x2005033},
		{"lb", "rd,imm(rs1)", 0x3},
		{"lw", "rd,imm(rs1)", 0x2003},
		{"ld", "rd,imm(rs1)", 0x3003},
		{"lbu", "rd,imm(rs1)", 0x4003},
		{"lwu", "rd,imm(rs1)", 0x6003},
		{"sb", "rs2,store(rs1)", 0x23},
		{"sw", "rs2,store(rs1)", 0x2023},
		{"sd", "rs2,store(rs1)", 0x3023},
		{"beq", "rs1,rs2,near", 0x63},
		{"bne", "rs1,rs2,near", 0x1063},
		{"blt", "rs1,rs2,near", 0x4063},
		{"bge", "rs1,rs2,near", 0x5063},
		{"bltu", "rs1,rs2,near", 0x6063},
		{"bgeu", "rs1,rs2,near", 0x7063},
		{"jal", "rd,far", 0x6f},
		{"j", "far", 0x6f},
		{"jalr", "rd,imm(rs1)", 0x67},
		{"csrrw", "rd,csr,rs1", 0x1073},
		{"csrrs", "rd,csr,rs1", 0x2073},
		{"csrrc", "rd,csr,rs1", 0x3073},
		{"csrrwi", "rd,csr,zimm", 0x5073},
		{"csrrsi", "rd,csr,zimm", 0x6073},
		{"csrrci", "rd,csr,zimm", 0x7073},
		{"fmv.d.x", "fd,rs1", 0xf2000053},
		{"fmv.x.d", "rd,fs1", 0xe2000053},
		{"fence", "", 0x0ff0000f},
		{"wfi", "", 0x10500073},
		{"mret", "", 0x30200073},
	} {
		set.add(i.mnemonic, i.syntax, i.bits, 4)
	}
	return set
}
