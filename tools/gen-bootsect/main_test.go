package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/ppc64/ppc64asm"
	"golang.org/x/arch/riscv64/riscv64asm"
	"golang.org/x/arch/s390x/s390xasm"
	"golang.org/x/arch/x86/x86asm"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/tools/gen-bootsect/internal/asm"
)

const incrementer = "../../fixtures/asm/x86-incrementer.s"

func assembled(t *testing.T) *asm.Image {
	t.Helper()
	source, err := os.ReadFile(incrementer)
	require.NoError(t, err)
	image, err := asm.Assemble(incrementer, source)
	require.NoError(t, err)
	return image
}

func TestEmbeddedBytesAreTheSourceAssembled(t *testing.T) {
	for _, arch := range []string{"x86_64", "i386"} {
		p, err := fixtures.For(arch)
		require.NoError(t, err)
		require.Equal(t, assembled(t).Bytes, p.BootBlock, "run: make generate")
	}
}

// TestBootBlockDisassemblesToTheProgram reads the embedded bytes with somebody
// else's disassembler, in one go from the top, and finds the program: these lines
// were written from what it is meant to do, not from what came out.
func TestBootBlockDisassemblesToTheProgram(t *testing.T) {
	p, err := fixtures.For("x86_64")
	require.NoError(t, err)
	const gdt, pointer, wake = 0x7cd8, 0x7cf0, 0x7dc0
	realMode, protected := disassemble(t, p.BootBlock, 0x7c00, gdt)
	require.Equal(t, []string{
		"cli",
		"xor %esi,%esi",
		"in $0x92,%al",
		"or $0x2,%al",
		"and $0xfe,%al",
		"out %al,$0x92",
		"xor %ax,%ax",
		"mov %ax,%ds",
		fmt.Sprintf("lgdtw %#x", pointer),
		"mov %cr0,%eax",
		"or $0x1,%al",
		"mov %eax,%cr0",
		"ljmp $0x8,$0x7c22",
	}, realMode)
	require.Equal(t, []string{
		"mov $0x10,%eax",
		"mov %eax,%ds", // the 16 bits that a segment register has
		"mov %eax,%es",
		"mov %eax,%fs",
		"mov %eax,%gs",
		"mov %eax,%ss",
		"mov $0xffffffff,%ebp",
		"mov $0x40000000,%eax",
		"cpuid",
		"cmp $0x4b4d564b,%ebx",
		"jne 0x7c69",
		"mov $0xf000,%ebp",
		"mov $0x40000001,%eax",
		"cpuid",
		"mov $0x4b564d01,%ecx",
		"test $0x8,%al",
		"jne 0x7c63",
		"mov $0x12,%ecx",
		"test $0x1,%al",
		"je 0x7c69",
		"xor %eax,%eax", // 0x7c63
		"xor %edx,%edx",
		"wrmsr",
		"mov 0x7db0,%edi", // 0x7c69
		"test %esi,%esi",
		"jne 0x7cb2",
		"mov $0x100000,%eax",
		"movb $0x0,(%eax)",
		"add $0x1000,%eax",
		"cmp %edi,%eax",
		"jb 0x7c78",
		"mov $0x3f8,%edx",
		"mov $0x41,%al",
		"out %al,(%dx)",
		"mov 0x7db4,%ecx",    // 0x7c8c
		"mov $0x100000,%eax", // 0x7c92
		"incb (%eax)",        // 0x7c97
		"add $0x1000,%eax",
		"test %ebp,%eax",
		"je 0x7cae",
		"cmp %edi,%eax", // 0x7ca2
		"jb 0x7c97",
		"dec %ecx",
		"jne 0x7c92",
		"mov $0x42,%al",
		"out %al,(%dx)",
		"jmp 0x7c8c",
		"out %al,$0x80", // 0x7cae: forces an exit
		"jmp 0x7ca2",
		"mov $0x3f8,%edx", // 0x7cb2: wakeup
		"mov $0x43,%al",
		"out %al,(%dx)",
		"mov 0x7db4,%ecx",
		"mov $0x100000,%eax",
		"mov (%eax),%bl",
		"add $0x1000,%eax", // 0x7cc7
		"cmp %edi,%eax",
		"jae 0x7c92",
		"cmp %bl,(%eax)",
		"je 0x7cc7",
		"jmp 0x7c97",
	}, protected)

	at := func(address, n int) []byte { return p.BootBlock[address-0x7c00:][:n] }
	require.Equal(t, []byte{
		0, 0, 0, 0, 0, 0, 0, 0, // null
		0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, // code: flat, 32 bits, accessed
		0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0, // data: flat, 32 bits, accessed
	}, at(gdt, 24))
	require.Equal(t, []byte{23, 0, gdt & 0xff, gdt >> 8, 0, 0}, at(pointer, 6))

	require.EqualValues(t, wake, p.WakeVector)
	atWakeup, _ := disassemble(t, at(wake, 0x7dfe-wake), wake, 0x7dfe)
	require.Equal(t, []string{"cli", "mov $0x1,%esi", "ljmp $0x0,$0x7c04"}, atWakeup)
	const varies = wake - 0x10
	require.Equal(t, make([]byte, varies-pointer-6), at(pointer+6, varies-pointer-6), "up to there it is empty")
	require.Equal(t, []byte{0, 0, 0x40, 6, 16, 0, 0, 0}, at(varies, 8), "the end of the workload, and the rounds to a heartbeat")
	require.Equal(t, make([]byte, 8), at(varies+8, 8))
	const end = wake + 12
	require.Equal(t, make([]byte, 0x7dfe-end), at(end, 0x7dfe-end), "the rest is empty")
	require.Equal(t, []byte{0x55, 0xaa}, at(0x7dfe, 2))
}

// disassemble reads 16-bit instructions up to a far jump, then 32-bit ones up to
// the first bytes that only pad up to an address.
func disassemble(t *testing.T, b []byte, at, end int) (realMode, protected []string) {
	t.Helper()
	mode, list := 16, &realMode
	for pc := at; pc < end; {
		inst, err := x86asm.Decode(b[pc-at:], mode)
		require.NoError(t, err, "at %#x", pc)
		target := func(uint64) (string, uint64) { return "", 0 }
		text := x86asm.GNUSyntax(inst, uint64(pc), target)
		*list = append(*list, text)
		pc += inst.Len
		if strings.HasPrefix(text, "ljmp") {
			mode, list = 32, &protected
		}
		if !slices.ContainsFunc(b[pc-at:end-at], func(c byte) bool { return c != 0 }) {
			break
		}
	}
	return realMode, protected
}

// A generatedFile is a program's, the files that it is assembled from, and how it is started.
type generatedFile struct {
	arch, program, constant, file string
	sources                       []string
}

func generated() []generatedFile {
	return []generatedFile{
		{"x86", fixtures.Incrementer, "x86Incrementer", "x86_incrementer_gen.go", []string{"asm/x86-incrementer.s"}},
		{"x86", fixtures.Pulse, "x86Pulse", "x86_pulse_gen.go", []string{"asm/x86-pulse/1-boot.s", "asm/x86-pulse/2-main.s", "asm/x86-pulse/3-cpu.s", "asm/x86-pulse/4-interrupts.s", "asm/x86-pulse/5-devices.s"}},
		{"x86", fixtures.Tide, "x86Tide", "x86_tide_gen.go", []string{"asm/x86-tide.s"}},
		{"x86", "smp2", "x86SMP", "x86_smp_gen.go", []string{"asm/x86-smp.s"}},
		{"aarch64", fixtures.Incrementer, "aarch64Incrementer", "aarch64_incrementer_gen.go", []string{"asm/aarch64-incrementer.s"}},
		{"aarch64", fixtures.Pulse, "aarch64Pulse", "aarch64_pulse_gen.go", []string{"asm/aarch64-pulse/1-main.s", "asm/aarch64-pulse/2-cpu.s", "asm/aarch64-pulse/3-interrupts.s"}},
		{"aarch64", fixtures.Tide, "aarch64Tide", "aarch64_tide_gen.go", []string{"asm/aarch64-tide.s"}},
		{"aarch64", "smp2", "aarch64SMP", "aarch64_smp_gen.go", []string{"asm/aarch64-smp.s"}},
		{"ppc64", fixtures.Incrementer, "ppc64Incrementer", "ppc64_incrementer_gen.go", []string{"asm/ppc64-incrementer.s"}},
		{"ppc64", "smp2", "ppc64SMP", "ppc64_smp_gen.go", []string{"asm/ppc64-smp.s"}},
		{"ppc64", fixtures.Pulse, "ppc64Pulse", "ppc64_pulse_gen.go", []string{"asm/ppc64-pulse/1-main.s", "asm/ppc64-pulse/2-cpu.s", "asm/ppc64-pulse/3-interrupts.s", "asm/ppc64-pulse/4-terminal.s", "asm/ppc64-pulse/5-xics.s"}},
		{"ppc64", fixtures.PulseXIVE, "ppc64PulseXIVE", "ppc64_xive_gen.go", []string{"asm/ppc64-pulse/1-main.s", "asm/ppc64-pulse/2-cpu.s", "asm/ppc64-pulse/3-interrupts.s", "asm/ppc64-pulse/4-terminal.s", "asm/ppc64-pulse/6-xive.s"}},
		{"ppc64", fixtures.Tide, "ppc64Tide", "ppc64_tide_gen.go", []string{"asm/ppc64-tide.s"}},
		{"riscv64", fixtures.Incrementer, "riscv64Incrementer", "riscv64_incrementer_gen.go", []string{"asm/riscv64-incrementer.s"}},
		{"riscv64", "smp2", "riscv64SMP", "riscv64_smp_gen.go", []string{"asm/riscv64-smp.s"}},
		{"riscv64", fixtures.Pulse, "riscv64Pulse", "riscv64_pulse_gen.go", []string{"asm/riscv64-pulse/1-main.s", "asm/riscv64-pulse/2-cpu.s", "asm/riscv64-pulse/3-interrupts.s"}},
		{"riscv64", fixtures.Tide, "riscv64Tide", "riscv64_tide_gen.go", []string{"asm/riscv64-tide.s"}},
		{"s390x", fixtures.Incrementer, "s390xIncrementer", "s390x_incrementer_gen.go", []string{"asm/s390x-incrementer.s"}},
		{"s390x", fixtures.Pulse, "s390xPulse", "s390x_pulse_gen.go", []string{"asm/s390x-pulse/1-main.s", "asm/s390x-pulse/2-cpu.s", "asm/s390x-pulse/3-interrupts.s"}},
		{"s390x", "smp2", "s390xSMP", "s390x_smp_gen.go", []string{"asm/s390x-smp.s"}},
		{"s390x", fixtures.Tide, "s390xTide", "s390x_tide_gen.go", []string{"asm/s390x-tide.s"}},
	}
}

// embedded are the bytes that the programs have, without what comes of a leading .org.
func (g generatedFile) embedded(t *testing.T) []byte {
	t.Helper()
	if g.arch == x86 {
		p, err := fixtures.Named(g.program, "x86_64")
		require.NoError(t, err)
		other, err := fixtures.Named(g.program, "i386")
		require.NoError(t, err)
		require.Equal(t, p.BootBlock, other.BootBlock)
		return p.BootBlock
	}
	p, err := fixtures.Named(g.program, g.arch)
	require.NoError(t, err)
	return append(p.Kernel, p.Firmware...)
}

// assembled is what comes of the sources, and their lines.
func (g generatedFile) assembled(t *testing.T) (image *asm.Image, lines []string) {
	t.Helper()
	var sources []string
	for _, source := range g.sources {
		sources = append(sources, filepath.Join("../../fixtures", source))
	}
	text, _, err := read(sources)
	require.NoError(t, err)
	image, err = asm.AssembleFor(g.arch, g.program, text)
	require.NoError(t, err)
	return image, strings.Split(string(text), "\n")
}

// gnu is the GNU as of an architecture, with its options, and the objcopy that goes with it.
func gnu(arch string) (as []string, objcopy string) {
	prefix, options := arch+"-linux-gnu-", []string(nil)
	switch arch {
	case x86:
		prefix, options = "", []string{"--32"}
	case "ppc64":
		prefix, options = "powerpc64-linux-gnu-", []string{"-a64", "-mpower8", "-mregnames"}
	case "riscv64":
		options = []string{"-march=rv64g", "-mno-relax"}
	}
	return append([]string{prefix + "as"}, options...), prefix + "objcopy"
}

func TestProgramsAreWhatGNUMakesOfTheirSources(t *testing.T) {
	t.Chdir("../../fixtures")
	for _, g := range generated() {
		t.Run(g.file, func(t *testing.T) {
			as, objcopy := gnu(g.arch)
			for _, tool := range []string{as[0], objcopy} {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("compares with GNU as and objcopy, and there is no %s here: install binutils%s", tool, strings.TrimSuffix("-"+strings.TrimSuffix(objcopy, "objcopy"), "-"))
				}
			}
			dir := t.TempDir()
			object, binary := filepath.Join(dir, "object.o"), filepath.Join(dir, "image")
			for _, command := range [][]string{
				slices.Concat(as, []string{"--fatal-warnings", "-o", object}, g.sources),
				{objcopy, "-O", "binary", "-j", ".text", object, binary},
			} {
				out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
				require.NoError(t, err, "%s: %s", command, out)
			}
			theirs, err := os.ReadFile(binary)
			require.NoError(t, err)
			if g.arch == x86 {
				theirs = theirs[loadedAt:]
			}
			require.Equal(t, theirs, g.embedded(t))
		})
	}
}

func TestGeneratedFilesAreThoseCheckedIn(t *testing.T) {
	t.Chdir("../../fixtures")
	for _, g := range generated() {
		var out, errs bytes.Buffer
		status := run(append([]string{"-arch", g.arch, "-package", "fixtures", "-const", g.constant}, g.sources...), &out, &errs)
		require.Equal(t, exitOK, status, errs.String())
		want, err := os.ReadFile(g.file)
		require.NoError(t, err)
		require.Equal(t, string(want), out.String(), "run: make generate")
	}
}

// TestEveryInstructionOfAProgramIsReadBack has somebody else's disassembler read each, which
// has to find one of that length and of that name, but for a suffix or another name for the
// same instruction.
func TestEveryInstructionOfAProgramIsReadBack(t *testing.T) {
	other := map[string]string{
		"jz": "je", "jnz": "jne", "jc": "jb", "jnc": "jae",
		"movz": "mov", "b.hs": "b.cs", "b.lo": "b.cc", "jal": "j",
		"mr": "or", "sldi": "rldicr", "clrldi": "rldicl", "rotlwi": "rlwinm", "srdi": "rldicl", "clrrdi": "rldicr",
	}
	unknown := map[string][]string{"riscv64": {"wfi", "mret"}, "aarch64": {"hvc"}} // to x/arch; GNU as knows them
	for _, g := range generated() {
		image, lines := g.assembled(t)
		instructions := 0
		for _, l := range image.Lines {
			meant := strings.Fields(lines[l.Number-1])[0]
			if l.Mode == 0 || slices.Contains(unknown[g.arch], meant) {
				continue
			}
			instructions++
			readBack, length := readBack(t, g.arch, l)
			require.Equal(t, len(l.Bytes), length, lines[l.Number-1])
			meant = cmp.Or(other[meant], meant)
			got := strings.Fields(readBack)[0]
			alike := strings.HasPrefix(got, meant) || strings.HasPrefix(meant, got)
			require.True(t, alike, "%q is read as %q", lines[l.Number-1], got)
		}
		require.Greater(t, instructions, 20, g.program)
	}
}

// leaveTheConditionCode are s390x's instructions that do the same whatever the condition code
// is: most set it. EPSW stores it too, beside what the programs look at.
const leaveTheConditionCode = "aghi agr brasl brctg cgrj clgij clgrj ddbr dlgr epsw ic l la lam larl lctlg ldgr lfpc lg lgdr lgfi lghi lgr " +
	"llgc llgf llgh llilf llilh lmg lpswe msgr mvi ngr ni ogr oill rll sckc sckpf sgr sigp sllg spka spm spt spx srlg sske st " +
	"stam stap stc stck stckc stcke stctg stfle stfpc stg stmg stnsm stosm stpt stpx strv vlm vstm"

// TestNoBranchOfTheseProgramsLooksAtTheConditionCode: QEMU's TCG loses an s390x guest's when
// it moves (FOUND.md), between any two instructions.
func TestNoBranchOfTheseProgramsLooksAtTheConditionCode(t *testing.T) {
	known := strings.Fields(leaveTheConditionCode)
	for _, g := range generated() {
		if g.arch != "s390x" || g.program == fixtures.Incrementer {
			continue
		}
		t.Run(g.program, func(t *testing.T) {
			image, lines := g.assembled(t)
			for _, l := range image.Lines {
				if l.Mode == 0 {
					continue
				}
				inst, err := s390xasm.Decode(l.Bytes)
				require.NoError(t, err, lines[l.Number-1])
				switch op := inst.Op.String(); op {
				case "bc", "bcr", "brc", "brcl":
					mask := fmt.Sprint(inst.Args[0])
					require.Contains(t, []string{"0", "15"}, mask, "%s: goes never or always", lines[l.Number-1])
				default:
					require.Contains(t, known, op, lines[l.Number-1])
				}
			}
		})
	}
}

// readBack is what a disassembler of golang.org/x/arch reads in an instruction's bytes, and
// of how many it is.
func readBack(t *testing.T, arch string, l asm.Line) (text string, length int) {
	t.Helper()
	switch arch {
	case "aarch64":
		inst, err := arm64asm.Decode(l.Bytes)
		require.NoError(t, err, "% x", l.Bytes)
		return arm64asm.GNUSyntax(inst), 4
	case "ppc64":
		inst, err := ppc64asm.Decode(l.Bytes, binary.BigEndian)
		require.NoError(t, err, "% x", l.Bytes)
		return ppc64asm.GNUSyntax(inst, uint64(l.Address)), inst.Len
	case "s390x":
		inst, err := s390xasm.Decode(l.Bytes)
		require.NoError(t, err, "% x", l.Bytes)
		return s390xasm.GNUSyntax(inst, uint64(l.Address)), inst.Len
	case "riscv64":
		inst, err := riscv64asm.Decode(l.Bytes)
		require.NoError(t, err, "% x", l.Bytes)
		return strings.ToLower(inst.Op.String()), inst.Len // GNU has names of its own for some: mv, li
	}
	inst, err := x86asm.Decode(l.Bytes, l.Mode)
	require.NoError(t, err, "% x", l.Bytes)
	return x86asm.GNUSyntax(inst, uint64(l.Address), nil), inst.Len
}

func TestExitStatusSaysWhoseFaultItIs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, source string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(source), 0o644))
		return path
	}
	good := file("good.s", ".org 0x7c00\n.org 0x7dfe\n.byte 0x55, 0xaa\n")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string // on stdout for 0, on stderr otherwise
	}{
		{"good", []string{good}, exitOK, "package fixtures"},
		{"raw", []string{"-raw", good}, exitOK, "\x55\xaa"},
		{"list", []string{"-list", good}, exitOK, " 7dfe  55 aa                    .byte 0x55, 0xaa"},
		{"help", []string{"--help"}, exitOK, "usage: gen-bootsect"},
		{"a wrong line", []string{file("bad.s", "\n\tfrob\n")}, exitSource, "bad.s:2: unknown instruction frob"},
		{"another origin", []string{file("origin.s", "nop\n")}, exitSource, ".org 0x7c00"},
		{"too short", []string{file("short.s", ".org 0x7c00\nnop\n")}, exitSource, "1 bytes long"},
		{"two sectors", []string{file("two.s", ".org 0x7c00\n.org 0x7dfe\n.byte 0x55, 0xaa\n.fill 512\n")}, exitOK, "package fixtures"},
		{"a sector and a half", []string{file("half.s", ".org 0x7c00\n.org 0x7dfe\n.byte 0x55, 0xaa\n.fill 256\n")}, exitSource, "768 bytes long"},
		{"no signature", []string{file("sign.s", ".org 0x7c00\n.fill 512\n")}, exitSource, "0x55 0xaa"},
		{"a sector in two files", []string{file("upper.s", ".org 0x7c00\n.set LAST, 0x55"), file("lower.s", ".org 0x7dfe\n.byte LAST, 0xaa\n")}, exitOK, "upper.s, "},
		{"a wrong line of the second", []string{good, file("second.s", "\n\tfrob\n")}, exitSource, "second.s:2: unknown instruction frob"},
		{"a kernel", []string{"-arch", "riscv64", file("kernel.s", "\twfi\n")}, exitOK, "package fixtures"},
		{"a kernel with an origin", []string{"-arch", "riscv64", file("far.s", ".org 8\n\twfi\n")}, exitSource, "leave out the leading .org"},
		{"an unknown architecture", []string{"-arch", "vax", good}, exitUsage, "vax"},
		{"no source", nil, exitUsage, "a source file"},
		{"a source that isn't there", []string{filepath.Join(dir, "none.s")}, exitUsage, "none.s"},
		{"an output that can't be", []string{"-o", filepath.Join(dir, "none", "x.go"), good}, exitUsage, "x.go"},
		{"an unknown flag", []string{"-frob", good}, exitUsage, "frob"},
		{"two outputs", []string{"-raw", "-list", good}, exitUsage, "exclude"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, c.status, run(c.args, &out, &errs), errs.String())
			if c.status == exitOK {
				require.Contains(t, out.String(), c.says)
				require.Empty(t, errs.String())
				return
			}
			require.Contains(t, errs.String(), c.says)
			require.Empty(t, out.String())
		})
	}
}
