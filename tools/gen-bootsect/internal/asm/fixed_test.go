package asm

import (
	"encoding/binary"
	"fmt"
	"maps"
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
)

// A judged is an architecture's table and who else knows it: adding an architecture adds a
// line to judges.
type judged struct {
	set      *fixedSet
	prefix   string   // of the cross binutils
	options  []string // of its as
	readBack func(b []byte) (text string, length int, err error)
	// unknown are mnemonics that the disassembler doesn't read.
	unknown []string
}

func judges() map[string]judged {
	return map[string]judged{
		"aarch64": {set: aarch64Set(), unknown: []string{"hvc"}, prefix: "aarch64-linux-gnu-", readBack: func(b []byte) (string, int, error) {
			inst, err := arm64asm.Decode(b)
			return arm64asm.GNUSyntax(inst), 4, err
		}},
		"ppc64": {set: ppc64Set(), prefix: "powerpc64-linux-gnu-", options: []string{"-a64", "-mpower8", "-mregnames"}, readBack: func(b []byte) (string, int, error) {
			inst, err := ppc64asm.Decode(b, binary.BigEndian)
			return ppc64asm.GNUSyntax(inst, 0), inst.Len, err
		}},
		"s390x": {set: s390xSet(), prefix: "s390x-linux-gnu-", readBack: func(b []byte) (string, int, error) {
			inst, err := s390xasm.Decode(b)
			return s390xasm.GNUSyntax(inst, 0), inst.Len, err
		}},
		"riscv64": {set: riscvSet(), unknown: []string{"mret", "wfi"}, prefix: "riscv64-linux-gnu-", options: []string{"-march=rv64g", "-mno-relax"}, readBack: func(b []byte) (string, int, error) {
			inst, err := riscv64asm.Decode(b)
			return riscv64asm.GNUSyntax(inst), inst.Len, err
		}},
	}
}

// TestEveryArchitectureIsJudged: none has a table that nobody else reads.
func TestEveryArchitectureIsJudged(t *testing.T) {
	known := slices.Sorted(maps.Keys(judges()))
	require.ElementsMatch(t, Architectures(), append(known, "x86"))
}

// TestEveryFixedFormIsReadBack assembles each form with several operands and has the bytes
// disassembled by somebody else. The files are for people to read: each line shows what was
// meant and what was understood.
func TestEveryFixedFormIsReadBack(t *testing.T) {
	for arch, j := range judges() {
		t.Run(arch, func(t *testing.T) {
			var text strings.Builder
			for _, source := range j.set.samples(t) {
				image, err := AssembleFor(arch, "test", []byte(source+"\n"))
				require.NoError(t, err, source)
				mnemonic, _, _ := strings.Cut(source, " ")
				read, length, err := j.readBack(image.Bytes)
				if slices.Contains(j.unknown, mnemonic) {
					read, length = "(not known to it)", len(image.Bytes)
				} else {
					require.NoError(t, err, "%s: % x", source, image.Bytes)
				}
				require.Equal(t, len(image.Bytes), length, "%s: % x is read as %s", source, image.Bytes, read)
				fmt.Fprintf(&text, "%x | %-36s | %s\n", image.Bytes, source, read)
			}
			file := filepath.Join("testdata", "encodings-"+arch+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), text.String(), "refresh with: go test -run EveryFixedForm -update, and read the difference")
		})
	}
}

// TestFixedFormsAreThoseOfGNU has GNU as assemble each table at once.
func TestFixedFormsAreThoseOfGNU(t *testing.T) {
	for arch, j := range judges() {
		t.Run(arch, func(t *testing.T) {
			source := strings.Join(j.set.samples(t), "\n") + "\n.balign 8, 0\n" // as GNU as ends s390x's
			requireSameAsCross(t, arch, j, source)
		})
	}
}

// TestDataOfEveryArchitectureIsThatOfGNU: numbers in the architecture's order of bytes, and
// distances both ways.
func TestDataOfEveryArchitectureIsThatOfGNU(t *testing.T) {
	const data = "a: .byte 1, -1\n.2byte 0x1234\n.4byte 0x12345678\n.8byte 0x123456789abcdef0\n.ascii \"text\"\n" +
		".set N, 3\n.fill N, 1, 7\n.balign 8, 0\n.org 0x40\nc: .quad 5\n"
	for arch, j := range judges() {
		source := data
		if arch != "riscv64" { // where only a linker knows
			source += "b: .4byte b - a, c - b\n"
		}
		t.Run(arch, func(t *testing.T) { requireSameAsCross(t, arch, j, source) })
	}
}

func requireSameAsCross(t *testing.T, arch string, j judged, source string) {
	t.Helper()
	image, err := AssembleFor(arch, "test", []byte(source))
	require.NoError(t, err)
	theirs := cross(t, j, source)
	lines := strings.Split(source, "\n")
	for _, l := range image.Lines {
		end := min(l.Address+len(l.Bytes), len(theirs))
		require.Equal(t, theirs[min(l.Address, end):end], l.Bytes, "line %d: %s", l.Number, lines[l.Number-1])
	}
	require.Equal(t, theirs, image.Bytes)
}

// cross assembles a source with the architecture's GNU as, or skips the test where there is
// none.
func cross(t *testing.T, j judged, source string) []byte {
	t.Helper()
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(j.prefix + tool); err != nil {
			t.Skipf("compares with GNU as and objcopy, and there is no %s here: install binutils-%s", j.prefix+tool, strings.TrimSuffix(j.prefix, "-"))
		}
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("source.s"), []byte(source), 0o644))
	for _, command := range [][]string{
		slices.Concat([]string{j.prefix + "as"}, j.options, []string{"--fatal-warnings", "-o", at("object.o"), at("source.s")}),
		{j.prefix + "objcopy", "-O", "binary", "-j", ".text", at("object.o"), at("image")},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", command, out)
	}
	image, err := os.ReadFile(at("image"))
	require.NoError(t, err)
	return image
}

// samples are statements that use every form, with registers and numbers that take turns:
// the first that has a kind of operand, with every register, and the ends of each kind of
// number.
func (set *fixedSet) samples(t *testing.T) (all []string) {
	t.Helper()
	const some = 4
	turn, seen := 0, map[string]bool{} // fields
	for _, mnemonic := range set.mnemonics() {
		for _, f := range set.forms[mnemonic] {
			most := 1
			for _, want := range f.tokens {
				values := len(set.values(want))
				if seen[want.text] {
					values = min(values, some)
				}
				most = max(most, values)
				seen[want.text] = true
			}
			for range most {
				turn++
				all = append(all, strings.TrimSpace(mnemonic+" "+set.sample(f, turn)))
			}
		}
	}
	return all
}

func (set *fixedSet) sample(f *fixedForm, turn int) string {
	var text strings.Builder
	for i, want := range f.tokens {
		values := set.values(want)
		if len(values) == 0 {
			values = []string{want.text}
		}
		text.WriteString(values[(turn+3*i)%len(values)])
		if want.kind == tokenName && len(set.values(want)) == 0 {
			text.WriteByte(' ')
		}
	}
	return text.String()
}

// values are samples of an operand, none for what stands for itself.
func (set *fixedSet) values(want token) (values []string) {
	field, ok := set.fields[want.text]
	if want.kind != tokenName || !ok {
		return nil
	}
	if field.registers != nil {
		prefix := ""
		if field.prefixed {
			prefix = "%"
		}
		for _, name := range slices.Sorted(maps.Keys(field.registers)) {
			values = append(values, prefix+name)
		}
		return values
	}
	step := max(field.step, 1)
	for _, n := range []int64{field.low, field.high / step * step, field.low/step/2*step + step, field.high / 3 / step * step, 0} {
		if n < field.low || n > field.high {
			continue
		}
		switch {
		case !field.relative:
			values = append(values, fmt.Sprint(n))
		case n < 0:
			values = append(values, fmt.Sprintf(". - %d", -n))
		default:
			values = append(values, fmt.Sprintf(". + %d", n))
		}
	}
	return values
}

func TestWhatDoesNotFitAFixedFormIsNamed(t *testing.T) {
	for _, c := range []struct{ arch, source, says string }{
		{"riscv64", "frob a0", "unknown instruction frob"},
		{"riscv64", "addi a0, a1", "write it as addi rd,rs1,imm"},
		{"riscv64", "addi a0, a1, a2", "write it as addi rd,rs1,imm"},
		{"riscv64", "addi a0, a1, 2048", "imm is from -2048 to 2047"},
		{"riscv64", "lui a0, -1", "upper is from 0 to 1048575"},
		{"riscv64", "addi a0, a1, here\nhere:", "an address doesn't go into an instruction"},
		{"riscv64", "beq a0, a1, 8", "goes to a label"},
		{"riscv64", "beq a0, a1, . + 5000", "reaches only from -4096 to 4094"},
		{"riscv64", "beq a0, a1, . + 3", "multiple of 2"},
		{"riscv64", "lw a0, 0(a9)", "write it as lw rd,imm(rs1)"},
		{"riscv64", "wfi a0", "write it as wfi"},
		{"riscv64", ".word 1", "write .2byte, .4byte or .8byte"},
		{"riscv64", ".code16", "is for x86"},
		{"riscv64", "a: wfi\nb: .4byte b - a", "only a linker knows"},
		{"riscv64", "a: .org a + 8", "only a linker knows"},
		{"riscv64", ".option rvc", "expected norvc or norelax"},
		{"riscv64", ".2byte 0x12345", "0x12345"},
		{"aarch64", "add x0, x1, #4096", "imm12 is from 0 to 4095"},
		{"aarch64", "ldr x0, [x1, #4]", "offset8 is a multiple of 8"},
		{"aarch64", "movz x0, #1, lsl #8", "half is a multiple of 16"},
		{"aarch64", "b . + 2", "multiple of 4"},
		{"aarch64", "mrs x0, nothing_el1", "write it as mrs Xd,readable"},
		{"vax", "nop", `unknown architecture "vax": there are x86, aarch64`},
	} {
		_, err := AssembleFor(c.arch, "test.s", []byte(c.source+"\n"))
		require.ErrorContains(t, err, c.says, "%s: %s", c.arch, c.source)
	}
}

func FuzzAssembleFor(f *testing.F) {
	for arch, j := range judges() {
		f.Add(arch, "a: .8byte 1\n.org 0x20\n")
		for _, mnemonic := range j.set.mnemonics() {
			f.Add(arch, mnemonic+" "+j.set.sample(j.set.forms[mnemonic][0], 1))
		}
	}
	f.Fuzz(func(t *testing.T, arch, source string) {
		image, err := AssembleFor(arch, "fuzz", []byte(source))
		require.True(t, (image == nil) == (err != nil))
	})
}
