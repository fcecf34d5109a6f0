package asm

import (
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
)

var update = flag.Bool("update", false, "write testdata/encodings.txt again")

const encodingsFile = "testdata/encodings.txt"

// An encoding is a line of testdata/encodings.txt: an instruction as we write it,
// its bytes, and what golang.org/x/arch/x86/x86asm reads back from them.
type encoding struct {
	mode             int
	hex, source, say string
}

func (e encoding) String() string {
	return fmt.Sprintf("%d | %-24s | %-40s | %s", e.mode, e.hex, e.source, e.say)
}

// TestEveryEncodingIsReadBack assembles one instruction of every form, size and
// mode, with registers, addresses and immediates that take turns, and has the
// bytes disassembled by somebody else. The file is for people to read: each line
// shows what was meant and what was understood.
func TestEveryEncodingIsReadBack(t *testing.T) {
	sources := everyEncoding(t)
	var got []encoding
	for _, mode := range []int{16, 32} {
		for _, source := range sources {
			image, err := Assemble("test", fmt.Appendf(nil, "\t.code%d\n\t%s\n", mode, source))
			require.NoError(t, err, source)
			inst, err := x86asm.Decode(image.Bytes, mode)
			require.NoError(t, err, "%s in %d bits: % x", source, mode, image.Bytes)
			require.Equal(t, len(image.Bytes), inst.Len, "%s in %d bits: % x is read as %v", source, mode, image.Bytes, inst)
			got = append(got, encoding{mode, hex.EncodeToString(image.Bytes), source, x86asm.GNUSyntax(inst, 0, nil)})
		}
	}
	var text strings.Builder
	for _, e := range got {
		fmt.Fprintln(&text, e)
	}
	if *update {
		require.NoError(t, os.WriteFile(encodingsFile, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(encodingsFile)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String(), "refresh with: go test -run EveryEncoding -update, and read the difference")
}

// TestEncodingsAreThoseOfGNU has GNU as assemble the whole table at once.
func TestEncodingsAreThoseOfGNU(t *testing.T) {
	sources := everyEncoding(t)
	var all strings.Builder
	for _, mode := range []int{16, 32} {
		fmt.Fprintf(&all, "\t.code%d\n", mode)
		for _, s := range sources {
			fmt.Fprintf(&all, "\t%s\n", s)
		}
	}
	requireSameAsGNU(t, all.String())
}

// everyEncoding lists instructions that together use every form in every size,
// and fails if some form can't be reached: another one that comes first hides it.
func everyEncoding(t *testing.T) []string {
	t.Helper()
	set := newInstructionSet()
	turn := turns{}
	var sources []string
	for _, name := range slices.Sorted(maps.Keys(set.forms)) {
		for i := range set.forms[name] {
			f := &set.forms[name][i]
			sizes := strings.Split(f.sizes, "")
			if f.sizes == "" {
				sizes = []string{""}
			}
			for _, size := range sizes {
				found := 0
				for try := 0; found < turn.count(f) && try < 20; try++ {
					source := strings.TrimSpace(name + size + " " + turn.operands(f, size))
					if formOf(t, set, source) == f { // else one that comes first takes it
						sources = append(sources, source)
						found++
					}
				}
				require.Equal(t, turn.count(f), found, "form %d of %s in size %q is hidden by others", i, name, size)
			}
			if repeatable(name + "b") {
				sources = append(sources, "rep "+name+"b", "rep "+name+"w", "rep "+name+"l")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set.jumps)) {
		sources = append(sources, name+" .", name+" . + 127")
		if set.jumps[name].near != nil {
			sources = append(sources, name+" . + 0x1000", name+" . - 0x1000")
		}
	}
	return sources
}

// formOf says which form a statement is encoded with in 32-bit code.
func formOf(t *testing.T, set instructionSet, source string) *form {
	t.Helper()
	tokens, err := scan(source)
	require.NoError(t, err, source)
	l := &line{tokens: tokens}
	name := l.next().text
	operands, err := l.operands()
	require.NoError(t, err, source)
	forms, suffix, err := set.find(name)
	require.NoError(t, err, source)
	for i := range forms {
		m := match{form: &forms[i], operands: operands, size: suffix, mode: 32}
		if fits, err := m.fits(suffix != 0); err == nil && fits {
			return &forms[i]
		}
	}
	t.Fatalf("no form takes %s", source)
	return nil
}

// turns hands out sample operands of each kind, one after the other.
type turns map[string]int

func (turn turns) next(kind string, samples ...string) string {
	n := turn[kind]
	turn[kind]++
	return samples[n%len(samples)]
}

// count is how many samples of a form are wanted.
func (turn turns) count(f *form) int {
	switch {
	case len(f.wants) == 0:
		return 1
	case slices.Contains(f.wants, wantSegment):
		return 5
	}
	return 2
}

func (turn turns) operands(f *form, size string) string {
	var all []string
	for _, w := range f.wants {
		all = append(all, turn.operand(w, size))
	}
	return strings.Join(all, ",")
}

func (turn turns) operand(w want, size string) string {
	registers := map[string][]string{
		"b": {"%bl", "%dh", "%ch", "%dl"},
		"w": {"%bx", "%sp", "%bp", "%di"},
		"l": {"%ebx", "%esp", "%ebp", "%esi"},
	}[size]
	switch w {
	case wantRegister:
		return turn.next("register"+size, registers...)
	case wantMemory:
		return turn.next(
			"memory", "0x1234", "(%eax)", "(%esp)", "(%ebp)", "4(%ebx)", "-128(%esp)", "128(%ecx)", "-129(%ebp)",
			"(%eax,%esi)", "8(%edx,%ebp,4)", "(%ebp,%ecx,2)", "(,%edi,8)", "0x12345678(%esp,%eax,1)", "0xfffffffc(%edi)", "0(%ebx)",
		)
	case wantEither:
		if turn.next("either", "register", "memory") == "register" {
			return turn.operand(wantRegister, size)
		}
		return turn.operand(wantMemory, size)
	case wantAccu:
		return map[string]string{"b": "%al", "w": "%ax", "l": "%eax"}[size]
	case wantAddress:
		return turn.next("address", "0x1234", "0x7c00")
	case wantImmediate:
		return turn.next("immediate"+size, map[string][]string{
			"b": {"$0x7f", "$-128", "$0xff", "$0"},
			"w": {"$0x1234", "$0x80", "$-32768", "$0xff7f"},
			"l": {"$0x12345678", "$0x80", "$-0x80000000", "$0xffffff7f"},
		}[size]...)
	case wantByteSigned:
		return turn.next("signed"+size, map[string][]string{
			"w": {"$1", "$-128", "$127", "$0xffff"},
			"l": {"$2", "$-128", "$127", "$0xfffffffe"},
		}[size]...)
	case wantByte:
		return turn.next("byte", "$0x92", "$5", "$0", "$0xff")
	case wantOne:
		return "$1"
	case wantCL:
		return "%cl"
	case wantDX:
		return "%dx"
	case wantSegment:
		return turn.next("segment", "%es", "%ss", "%ds", "%fs", "%gs")
	case wantWord:
		return turn.next("word", "%ax", "%cx", "%si")
	case wantControl:
		return turn.next("control", "%cr0", "%cr2", "%cr3", "%cr4")
	case wantDebug:
		return turn.next("debug", "%dr0", "%dr3", "%dr6", "%dr7")
	case wantLong:
		return turn.next("long", "%eax", "%ebx", "%edi")
	case wantSelector:
		return turn.next("selector", "$8", "$0xffff")
	default: // wantOffset
		return turn.next("offset", "$0x7c20", "$0xfffe")
	}
}

func requireReadable(t *testing.T, l Line) {
	t.Helper()
	inst, err := x86asm.Decode(l.Bytes, l.Mode)
	require.NoError(t, err, "% x in %d bits", l.Bytes, l.Mode)
	require.Equal(t, len(l.Bytes), inst.Len, "% x in %d bits", l.Bytes, l.Mode)
}
