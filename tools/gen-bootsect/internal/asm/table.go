package asm

// A want is what a form takes in one operand's place.
type want uint8

const (
	wantRegister   want = iota // of the instruction's size
	wantMemory                 // an address of any kind
	wantEither                 // register or memory: the r/m of the manuals
	wantAccu                   // %al, %ax or %eax
	wantAddress                // memory without registers
	wantImmediate              // of the instruction's size
	wantByteSigned             // an immediate that a byte, widened with its sign, can hold
	wantByte                   // an immediate of one byte
	wantOne                    // the immediate 1
	wantCL                     // %cl
	wantDX                     // %dx
	wantSegment                // a segment register
	wantWord                   // %ax and so on, whatever the instruction's size
	wantControl                // a control register
	wantDebug                  // a debug register
	wantLong                   // %eax and so on, whatever the instruction's size
	wantSelector               // an immediate: the segment of a far jump
	wantOffset                 // an immediate: the offset of a far jump
)

// How a form's operands find their way into its bytes.
type layout uint8

const (
	plain  layout = iota // opcode, then immediates or an address
	inReg                // the register's number added to the opcode
	digit                // a ModRM byte with the form's digit in its middle
	withRM               // a ModRM byte with a register in its middle
)

// A form is one encoding of one instruction. An instruction's forms are in the
// order in which GNU as prefers them: the first that fits is taken.
type form struct {
	sizes  string // suffixes it can have: some of b, w, l; empty: its size is fixed
	wants  []want // in the order of the source: AT&T's, source first
	opcode []byte // of size b if that is among the sizes: w and l are then one more
	layout layout
	digit  byte
	// Without a suffix and without a general register the size is the mode's own.
	modeSized bool
}

// A jump goes to a label. Its near form, if it has one, is taken where the
// label is out of the short one's reach, or where there is no short one.
type jump struct {
	short []byte
	near  []byte
}

// An instructionSet is all that the assembler knows, by mnemonic.
type instructionSet struct {
	forms map[string][]form
	jumps map[string]jump
}

func newInstructionSet() instructionSet {
	set := instructionSet{forms: map[string][]form{}, jumps: map[string]jump{}}
	set.addFixed()
	set.addArithmetic()
	set.addMoves()
	set.addSystem()
	set.addJumps()
	return set
}

func (set instructionSet) addFixed() {
	for name, opcode := range map[string][]byte{
		"cld":    {0xfc},
		"clc":    {0xf8},
		"cli":    {0xfa},
		"cmc":    {0xf5},
		"cpuid":  {0x0f, 0xa2},
		"fninit": {0xdb, 0xe3},
		"hlt":    {0xf4},
		"iret":   {0xcf},
		"nop":    {0x90},
		"pause":  {0xf3, 0x90},
		"popa":   {0x61},
		"pusha":  {0x60},
		"rdmsr":  {0x0f, 0x32},
		"rdtsc":  {0x0f, 0x31},
		"ret":    {0xc3},
		"stc":    {0xf9},
		"std":    {0xfd},
		"sti":    {0xfb},
		"wbinvd": {0x0f, 0x09},
		"wrmsr":  {0x0f, 0x30},
		"xgetbv": {0x0f, 0x01, 0xd0},
		"xsetbv": {0x0f, 0x01, 0xd1},
	} {
		set.forms[name] = []form{{opcode: opcode}}
	}
	// String instructions: their operands are %esi and %edi, and aren't written.
	set.forms["movs"] = []form{{sizes: "bwl", opcode: []byte{0xa4}}}
	set.forms["stos"] = []form{{sizes: "bwl", opcode: []byte{0xaa}}}
	set.forms["lods"] = []form{{sizes: "bwl", opcode: []byte{0xac}}}
}

func (set instructionSet) addArithmetic() {
	for i, name := range []string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"} {
		n := byte(i)
		set.forms[name] = []form{
			{sizes: "wl", wants: []want{wantByteSigned, wantEither}, opcode: []byte{0x83}, layout: digit, digit: n},
			{sizes: "bwl", wants: []want{wantImmediate, wantAccu}, opcode: []byte{0x04 + 8*n}},
			{sizes: "bwl", wants: []want{wantImmediate, wantEither}, opcode: []byte{0x80}, layout: digit, digit: n},
			{sizes: "bwl", wants: []want{wantRegister, wantEither}, opcode: []byte{0x00 + 8*n}, layout: withRM},
			{sizes: "bwl", wants: []want{wantMemory, wantRegister}, opcode: []byte{0x02 + 8*n}, layout: withRM},
		}
	}
	set.forms["test"] = []form{
		{sizes: "bwl", wants: []want{wantImmediate, wantAccu}, opcode: []byte{0xa8}},
		{sizes: "bwl", wants: []want{wantImmediate, wantEither}, opcode: []byte{0xf6}, layout: digit, digit: 0},
		{sizes: "bwl", wants: []want{wantRegister, wantEither}, opcode: []byte{0x84}, layout: withRM},
	}
	set.forms["inc"] = []form{
		{sizes: "wl", wants: []want{wantRegister}, opcode: []byte{0x40}, layout: inReg},
		{sizes: "bwl", wants: []want{wantEither}, opcode: []byte{0xfe}, layout: digit, digit: 0},
	}
	set.forms["dec"] = []form{
		{sizes: "wl", wants: []want{wantRegister}, opcode: []byte{0x48}, layout: inReg},
		{sizes: "bwl", wants: []want{wantEither}, opcode: []byte{0xfe}, layout: digit, digit: 1},
	}
	for name, n := range map[string]byte{"not": 2, "neg": 3, "mul": 4, "div": 6} {
		set.forms[name] = []form{{sizes: "bwl", wants: []want{wantEither}, opcode: []byte{0xf6}, layout: digit, digit: n}}
	}
	for name, n := range map[string]byte{"rol": 0, "ror": 1, "shl": 4, "shr": 5, "sar": 7} {
		set.forms[name] = []form{
			{sizes: "bwl", wants: []want{wantOne, wantEither}, opcode: []byte{0xd0}, layout: digit, digit: n},
			{sizes: "bwl", wants: []want{wantByte, wantEither}, opcode: []byte{0xc0}, layout: digit, digit: n},
			{sizes: "bwl", wants: []want{wantCL, wantEither}, opcode: []byte{0xd2}, layout: digit, digit: n},
		}
	}
}

func (set instructionSet) addMoves() {
	set.forms["mov"] = []form{
		{wants: []want{wantControl, wantLong}, opcode: []byte{0x0f, 0x20}, layout: withRM},
		{wants: []want{wantLong, wantControl}, opcode: []byte{0x0f, 0x22}, layout: withRM},
		{wants: []want{wantDebug, wantLong}, opcode: []byte{0x0f, 0x21}, layout: withRM},
		{wants: []want{wantLong, wantDebug}, opcode: []byte{0x0f, 0x23}, layout: withRM},
		{wants: []want{wantWord, wantSegment}, opcode: []byte{0x8e}, layout: withRM},
		{sizes: "wl", wants: []want{wantSegment, wantRegister}, opcode: []byte{0x8c}, layout: withRM},
		{sizes: "bwl", wants: []want{wantAddress, wantAccu}, opcode: []byte{0xa0}},
		{sizes: "bwl", wants: []want{wantAccu, wantAddress}, opcode: []byte{0xa2}},
		{sizes: "b", wants: []want{wantImmediate, wantRegister}, opcode: []byte{0xb0}, layout: inReg},
		{sizes: "wl", wants: []want{wantImmediate, wantRegister}, opcode: []byte{0xb8}, layout: inReg},
		{sizes: "bwl", wants: []want{wantImmediate, wantEither}, opcode: []byte{0xc6}, layout: digit, digit: 0},
		{sizes: "bwl", wants: []want{wantRegister, wantEither}, opcode: []byte{0x88}, layout: withRM},
		{sizes: "bwl", wants: []want{wantMemory, wantRegister}, opcode: []byte{0x8a}, layout: withRM},
	}
	set.forms["lea"] = []form{{sizes: "wl", wants: []want{wantMemory, wantRegister}, opcode: []byte{0x8d}, layout: withRM}}
	set.forms["push"] = []form{{sizes: "wl", wants: []want{wantRegister}, opcode: []byte{0x50}, layout: inReg}}
	set.forms["pop"] = []form{{sizes: "wl", wants: []want{wantRegister}, opcode: []byte{0x58}, layout: inReg}}
	set.forms["in"] = []form{
		{sizes: "bwl", wants: []want{wantByte, wantAccu}, opcode: []byte{0xe4}},
		{sizes: "bwl", wants: []want{wantDX, wantAccu}, opcode: []byte{0xec}},
	}
	set.forms["out"] = []form{
		{sizes: "bwl", wants: []want{wantAccu, wantByte}, opcode: []byte{0xe6}},
		{sizes: "bwl", wants: []want{wantAccu, wantDX}, opcode: []byte{0xee}},
	}
}

func (set instructionSet) addSystem() {
	set.forms["int"] = []form{{wants: []want{wantByte}, opcode: []byte{0xcd}}}
	for n, name := range []string{"sgdt", "sidt", "lgdt", "lidt"} {
		set.forms[name] = []form{{sizes: "wl", modeSized: true, wants: []want{wantMemory}, opcode: []byte{0x0f, 0x01}, layout: digit, digit: byte(n)}}
	}
	for n, name := range []string{"sldt", "str"} {
		set.forms[name] = []form{{sizes: "wl", wants: []want{wantRegister}, opcode: []byte{0x0f, 0x00}, layout: digit, digit: byte(n)}}
	}
	for n, name := range []string{"lldt", "ltr"} {
		set.forms[name] = []form{{wants: []want{wantWord}, opcode: []byte{0x0f, 0x00}, layout: digit, digit: byte(n + 2)}}
	}
	set.forms["xsave"] = []form{{wants: []want{wantMemory}, opcode: []byte{0x0f, 0xae}, layout: digit, digit: 4}}
	set.forms["xrstor"] = []form{{wants: []want{wantMemory}, opcode: []byte{0x0f, 0xae}, layout: digit, digit: 5}}
	set.forms["fxsave"] = []form{{wants: []want{wantMemory}, opcode: []byte{0x0f, 0xae}, layout: digit, digit: 0}}
	set.forms["fxrstor"] = []form{{wants: []want{wantMemory}, opcode: []byte{0x0f, 0xae}, layout: digit, digit: 1}}
	set.forms["ljmp"] = []form{{sizes: "wl", modeSized: true, wants: []want{wantSelector, wantOffset}, opcode: []byte{0xea}}}
}

func (set instructionSet) addJumps() {
	set.jumps["jmp"] = jump{short: []byte{0xeb}, near: []byte{0xe9}}
	set.jumps["call"] = jump{near: []byte{0xe8}}
	set.jumps["loop"] = jump{short: []byte{0xe2}}
	for n, names := range [16][]string{
		{"o"},
		{"no"},
		{"b", "c", "nae"},
		{"ae", "nc", "nb"},
		{"e", "z"},
		{"ne", "nz"},
		{"be", "na"},
		{"a", "nbe"},
		{"s"},
		{"ns"},
		{"p", "pe"},
		{"np", "po"},
		{"l", "nge"},
		{"ge", "nl"},
		{"le", "ng"},
		{"g", "nle"},
	} {
		for _, name := range names {
			set.jumps["j"+name] = jump{short: []byte{0x70 + byte(n)}, near: []byte{0x0f, 0x80 + byte(n)}}
		}
	}
}
