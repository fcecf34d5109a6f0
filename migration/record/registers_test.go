package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const printed = `
CPU#0
EAX=051bd000 EBX=54474354 EFL=00000087 [--S--PC] CPL=0
ES =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0008 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]
FCW=037f FSW=0000 [ST=0] FTW=00
XMM00=0000000000000000 0000000000000001`

func TestRegistersAreComparedByName(t *testing.T) {
	for _, c := range []struct {
		what, other string
		compared    int
		different   []string
	}{
		{"the same", printed, 13, nil},
		{"other blanks, and fewer names", "CPU#0\nXMM00=00000000000000000000000000000001\nNEW=1 EBX=54474354", 2, nil},
		{"another value", "CPU#0\nEAX=0 EBX=54474354", 2, []string{"the source has CPU#0 EAX=051bd000, the destination 0"}},
		{"the second of two", "CPU#0\nES =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\nCS =0 DPL=3 CS32 [-RA]", 4, []string{
			"the source has CPU#0 CS=000800000000ffffffff00cf9b00, the destination 0", "the source has CPU#0 DPL.2=0CS32[-RA], the destination 3CS32[-RA]",
		}},
		{"another processor", "CPU#1\nEAX=051bd000", 0, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			facts := CompareRegisters(printed, c.other)
			require.Equal(t, c.compared, facts.Compared)
			require.Equal(t, c.different, facts.Different)
		})
	}
}

// TestCountersThatGoOnAreNotCompared: riscv64's follow the host's clock, and a name that only
// begins like one of them is a register like any other.
func TestCountersThatGoOnAreNotCompared(t *testing.T) {
	facts := CompareRegisters("CPU#0\n cycle    01\n mcycle   01\n instret  01\n minstret 01\n time     01\n mie      01\n timer    01\n",
		"CPU#0\n cycle    02\n mcycle   02\n instret  02\n minstret 02\n time     02\n mie      01\n timer    02\n")
	require.Equal(t, 2, facts.Compared)
	require.Equal(t, []string{"the source has CPU#0 timer=01, the destination 02"}, facts.Different)
}
