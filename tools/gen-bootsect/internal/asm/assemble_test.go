package asm

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sources are small programs and their bytes, which GNU as makes too.
func sources() map[string]struct{ source, hex string } {
	return map[string]struct{ source, hex string }{
		"nothing":             {"", ""},
		"comments":            {"# one\n/* two\n three */ nop # four\n.ascii \"#/*\"", "90 23 2f 2a"},
		"carriage returns":    {"nop\r\nnop\r\n", "90 90"},
		"numbers":             {".byte 10, 0x1f, 0b101, 017, 'A', -1, 255", "0a 1f 05 0f 41 ff ff"},
		"widths":              {".byte 1\n.word 2\n.long 3\n.quad 4", "01 02 00 03 00 00 00 04 00 00 00 00 00 00 00"},
		"strings":             {`.ascii "a\n\\\"", "\101"` + "\n.asciz \"z\"", "61 0a 5c 22 41 7a 00"},
		"precedence":          {".byte 1+2*3, (1|2)+4, 2-1-1, 16>>1<<2, ~0 & 6, -(3), 7%4, 1<<3|1", "07 07 00 20 06 fd 03 09"},
		"constants":           {".set A, 3\nB = A*2\n.equ C, B+A\n.byte A, B, C", "03 06 09"},
		"a constant later":    {"mov $A, %eax\n.set A, . - start\nstart: nop", ""},
		"here":                {"nop\n.word ., .", "90 01 00 03 00"},
		"distance":            {"a: nop\nnop\nb: .byte b - a, (b - a) * 3", "90 90 02 06"},
		"fill":                {".fill 3, 1, 0x90\n.fill 2, 2, 0x1234\n.fill 2", "90 90 90 34 12 34 12 00 00"},
		"skip and space":      {".skip 2\n.space 2, 7", "00 00 07 07"},
		"balign":              {"nop\n.balign 4, 0xcc\nnop", "90 cc cc cc 90"},
		"org":                 {"nop\n.org 4\nnop\n.org . + 2, 0xff", "90 00 00 00 90 ff ff"},
		"fill up to":          {"start: nop\n.fill 6 - (. - start), 1, 1", "90 01 01 01 01 01"},
		"labels in a row":     {"a: b: c:\n.long c - a + a", "00 00 00 00"},
		"modes":               {".code16\nmov $1, %ax\nmov $1, %eax\n.code32\nmov $1, %ax\nmov $1, %eax", "b8 01 00 66 b8 01 00 00 00 66 b8 01 00 b8 01 00 00 00"},
		"short back":          {"a: .fill 126\njmp a", ""},
		"near back":           {"a: .fill 127\njmp a", ""},
		"short ahead":         {"jne a\n.fill 127\na:", ""},
		"near ahead":          {"jne a\n.fill 128\na:", ""},
		"near in 16 bits":     {".code16\njmp a\n.fill 128\na: je a", ""},
		"one grows another":   {"jmp b\n.fill 120\njmp c\n.fill 3\nb: .fill 126\nc:", ""},
		"jump over balign":    {"jmp a\n.fill 125\n.balign 16, 0\na: jmp a", ""},
		"address in a far":    {".code16\n.org 0x7c00\nljmpl $8, $a\na:", "66 ea 08 7c 00 00 08 00"},
		"address compared":    {".org 0x7c00\na: cmp $a, %esi\nadd $a + 1, %eax", "81 fe 00 7c 00 00 05 01 7c 00 00"},
		"address in a memory": {"a: mov a, %eax\nmovl $1, a + 4\nincb a(%ebx)", ""},
	}
}

func TestSourcesBecomeTheirBytes(t *testing.T) {
	for name, c := range sources() {
		t.Run(name, func(t *testing.T) {
			image, err := Assemble("test.s", []byte(c.source))
			require.NoError(t, err)
			if c.hex != "" || c.source == "" {
				require.Equal(t, c.hex, fmt.Sprintf("% x", image.Bytes))
			}
			requireSameAsGNU(t, c.source+"\n") // GNU as warns of a last line without an end
		})
	}
}

func TestLeadingOrgIsTheOrigin(t *testing.T) {
	image, err := Assemble("test.s", []byte(".set BASE, 0x7c00\n.org BASE\n.code16\nnop\n.word 1, 2\n.org BASE + 8\n"))
	require.NoError(t, err)
	require.Equal(t, &Image{
		Origin: 0x7c00,
		Bytes:  []byte{0x90, 1, 0, 2, 0, 0, 0, 0},
		Lines: []Line{
			{Number: 4, Address: 0x7c00, Bytes: []byte{0x90}, Mode: 16},
			{Number: 5, Address: 0x7c01, Bytes: []byte{1, 0, 2, 0}},
			{Number: 6, Address: 0x7c05, Bytes: []byte{0, 0, 0}},
		},
	}, image)
}

func TestWhatIsWrongIsNamedWithItsLine(t *testing.T) {
	for _, c := range []struct {
		source string
		line   int
		says   string // the thing that the message has to name
	}{
		{"nop\nfrob %eax", 2, "frob"},
		{".section .data", 1, ".section"},
		{"nop; nop", 1, "';'"},
		{"nop nop", 1, "nop"},
		{".code16 .code32", 1, "end of line"},
		{"mov $1, %rax", 1, "%rax"},
		{"mov $1, %cs", 1, "%cs"},
		{"mov %eax", 1, "mov"},
		{"mov $1, (%eax)", 1, "b, w or l"},
		{"movw $1, %eax", 1, "movw"},
		{"nopl", 1, "nopl"},
		{"mov %al, %ebx", 1, "mov"},
		{"xchg %eax, %ebx", 1, "xchg"},
		{"incb (%ax)", 1, "%ax"},
		{"incb (%eax,%esp)", 1, "%esp"},
		{"incb (%eax,%ebx,3)", 1, "scale"},
		{"incb (%eax", 1, "')'"},
		{"jmp *%eax", 1, "indirect"},
		{"jmp 5", 1, "label"},
		{"jmp", 1, "label"},
		{"loop a\n.fill 128\na:", 1, "128"},
		{".code16\njmp a\n.fill 0x9000\na:", 2, "16-bit"},
		{"mov $300, %al", 1, "300"},
		{"add $-129, %bl", 1, "-129"},
		{"add $70000, %ax", 1, "70000"},
		{"mov $0x100000000, %eax", 1, "0x100000000"},
		{"out %al, $256", 1, "256"},
		{".code16\nmov 0x12345, %al", 2, "0x12345"},
		{".byte 256", 1, "256"},
		{".word -32769", 1, "-32769"},
		{".byte 0x8000000000000000", 1, "0x8000000000000000"},
		{".byte 09", 1, "09"},
		{".byte 12ab", 1, "12ab"},
		{".byte", 1, "end of line"},
		{".byte 1,", 1, "end of line"},
		{".byte (1", 1, "')'"},
		{".byte 1 / 0", 1, "zero"},
		{".byte 1 << 64", 1, "64"},
		{".quad 0x7fffffffffffffff + 1", 1, "64 bits"},
		{".byte 1 | 2 + 1", 1, "parentheses"},
		{".byte 1 << 2 * 3", 1, "parentheses"},
		{".byte 'ab'", 1, "character"},
		{".byte '", 1, "character"},
		{`.ascii "abc`, 1, "closed"},
		{`.ascii "\q"`, 1, `\q`},
		{".ascii 5", 1, "'5'"},
		{"nop\n/* open\nnop", 2, "closed"},
		{"mov $who, %eax", 1, "who"},
		{"nop\njmp who", 2, "who"},
		{".fill who", 1, "who"},
		{".globl 5", 1, "name"},
		{".set 5, 5", 1, "name"},
		{".set A 5", 1, "','"},
		{"a:\na:", 2, "line 1"},
		{".set a, 1\na: nop", 2, "line 1"},
		{".foo = 1", 1, ".foo"},
		{".set a, b\n.set b, a\n.long a", 3, "itself"},
		{".set a, a + 1\n.long a", 2, "itself"},
		{"a: .long a + a", 1, "adds addresses"},
		{"a: .long a * 2", 1, "*"},
		{"a: .long -a", 1, "-"},
		{"a: .byte a", 1, "byte"},
		{"nop\na: b: nop\nadd $b - a, %eax", 3, "above this line"},
		{"add $A, %eax\n.set A, 4", 1, "above this line"},
		{"shl $A, %eax\n.set A, 1", 1, "above this line"},
		{"incb A(%eax)\n.set A, 1", 1, "above this line"},
		{"nop\n.org 0", 2, ".org"},
		{".org -1", 1, ".org"},
		{".fill -1", 1, "-1"},
		{".fill 1, 3, 0", 1, "size"},
		{".fill 1, 1, 256", 1, "256"},
		{".fill 1, 1, 1, 1", 1, "3 values"},
		{"a: .fill 1, 1, a", 1, "known here"},
		{"a: .skip a", 1, "address"},
		{".balign 3, 0", 1, "power of two"},
		{".balign 4", 1, "pads with"},
		{".balign 4, 0x90", 1, "0x90"},
		{"nop\n.fill 0x40000000", 2, "grows"},
		{".org 0x7fffffffffffffff", 1, "grows"},
		{"a: .fill b - a + 1\nb:", 1, ""},
		{"rep nop", 1, "rep"},
		{"5:", 1, "'5'"},
		{"é", 1, "unexpected"},
		{".byte " + strings.Repeat("(", 100), 1, "nested"},
		{".byte " + strings.Repeat("-", 100) + "1", 1, "nested"},
	} {
		_, err := Assemble("boot.s", []byte(c.source))
		require.Error(t, err, c.source)
		one, ok := errors.AsType[*Error](err)
		require.True(t, ok, "%q: %T", c.source, err)
		require.Equal(t, "boot.s", one.File)
		require.Equal(t, c.line, one.Line, "%q: %v", c.source, err)
		require.Contains(t, one.Msg, c.says, c.source)
	}
}

func TestErrorsOfSeveralLinesComeTogether(t *testing.T) {
	_, err := Assemble("boot.s", []byte("frob\nnop\n.byte who\nzap\n"))
	all, ok := errors.AsType[Errors](err)
	require.True(t, ok)
	require.Len(t, all, 2, "what is found once the addresses are known waits until the rest reads well")
	require.Equal(t, "boot.s:1: unknown instruction frob\nboot.s:4: unknown instruction zap", err.Error())

	_, err = Assemble("boot.s", []byte(strings.Repeat("frob\n", 1000)))
	all, _ = errors.AsType[Errors](err)
	require.Len(t, all, 20)
}

// TestConstantsThatDoubleEachLineEnd guards against work that grows with the
// power of a source's length.
func TestConstantsThatDoubleEachLineEnd(t *testing.T) {
	var s strings.Builder
	s.WriteString("a0: nop\nb0: nop\n.set c0, b0 - a0\n")
	for i := range 100 {
		fmt.Fprintf(&s, ".set c%d, c%d + c%d\n", i+1, i, i)
	}
	s.WriteString(".quad c100\n")
	_, err := Assemble("boot.s", []byte(s.String()))
	require.ErrorContains(t, err, "boot.s:104: ")
}

// TestRandomProgramsAreThoseOfGNU tries jumps over each other, over padding of
// all kinds and over code of both modes.
func TestRandomProgramsAreThoseOfGNU(t *testing.T) {
	gnu(t, "nop\n") // skips before rapid begins
	rapid.Check(t, func(rt *rapid.T) {
		labels := rapid.IntRange(1, 8).Draw(rt, "labels")
		var s strings.Builder
		s.WriteString("\t.org 0x7c00\n")
		for i := range labels {
			fmt.Fprintf(&s, "l%d:\n", i)
			for range rapid.IntRange(0, 6).Draw(rt, "statements") {
				statement := rapid.SampledFrom([]string{
					"jmp TO",
					"jae TO + 1",
					"jng TO",
					".fill N, 1, 0x90",
					".balign 8, 0xcc",
					".org . + N, 0xcc",
					".code16",
					".code32",
					"mov $TO, %eax",
					"mov $N, %bx",
					"add $N - 35, %ecx",
					"lgdt TO",
					"incl N(%eax,%ebp)",
					".long TO - l0, . - TO",
				}).Draw(rt, "statement")
				to := rapid.IntRange(0, labels-1).Draw(rt, "to")
				n := rapid.IntRange(0, 70).Draw(rt, "n")
				values := strings.NewReplacer("TO", fmt.Sprintf("l%d", to), "N", strconv.Itoa(n))
				fmt.Fprintf(&s, "\t%s\n", values.Replace(statement))
			}
		}
		requireSameAsGNU(t, s.String())
	})
}

func FuzzAssemble(f *testing.F) {
	for _, c := range sources() {
		f.Add([]byte(c.source))
	}
	f.Add([]byte(".code16\n.org 0x7c00\nstart: cli\nlgdt gdt\nljmp $8, $start\ngdt: .quad 0\n.org 0x7dfe\n.byte 0x55, 0xaa\n"))
	f.Add([]byte("jmp a\n.fill b - a + (a - b)\na: incb -4(%ebp,%ecx,2)\nb: rep stosl\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		image, err := Assemble("fuzz.s", source)
		if err != nil {
			all, ok := errors.AsType[Errors](err)
			require.True(t, ok, "%T", err)
			for _, one := range all {
				require.Positive(t, one.Line)
				require.LessOrEqual(t, one.Line, strings.Count(string(source), "\n")+1)
			}
			return
		}
		// Every instruction is one that somebody else reads, and as long as we think.
		total := 0
		for _, l := range image.Lines {
			require.Equal(t, image.Origin+total, l.Address)
			total += len(l.Bytes)
			if l.Mode != 0 {
				requireReadable(t, l)
			}
		}
		require.Len(t, image.Bytes, total)
		require.LessOrEqual(t, image.Origin+total, MaxImage)
	})
}

func BenchmarkAssemble(b *testing.B) {
	source, err := os.ReadFile("../../../../fixtures/asm/x86-incrementer.s")
	require.NoError(b, err)
	b.SetBytes(int64(len(source)))
	for b.Loop() {
		if _, err := Assemble("x86-incrementer.s", source); err != nil {
			b.Fatal(err)
		}
	}
}
