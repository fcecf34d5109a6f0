package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsNotComparedIsNamed: with why it isn't.
func TestWhatIsNotComparedIsNamed(t *testing.T) {
	r := good()
	r.Memory.LeftOut = []LeftOut{{"vga.vram", 16 << 20, "it is the display's, not the guest's"}, {"rom", 100, "nobody writes it"}}
	outcome, witness := judgeMemory(r)
	require.Equal(t, Pass, outcome, witness)
	require.Equal(t, "every byte of RAM outside the workload's [0x100000,0x6400000) is the same on both sides (53477376 compared)"+
		"; left out: vga.vram (16 MiB): it is the display's, not the guest's; rom (100 bytes): nobody writes it", witness)

	r.Exact.LeftOut = r.Memory.LeftOut[:1]
	outcome, witness = judgeExact(r)
	require.Equal(t, Pass, outcome, witness)
	require.Contains(t, witness, "every byte of RAM, before the guest ran again,")
	require.Contains(t, witness, "left out: vga.vram (16 MiB)")

	ppc, err := decode(saved(t)["7.2-ppc64-precopy-unix-plain"])
	require.NoError(t, err)
	outcome, witness = judgeMemory(ppc)
	require.Equal(t, Pass, outcome, witness)
	require.Contains(t, witness, "left out: [0xdaf0000,0xe680000): the firmware runs the guest program")
}

// TestWhatIsLeftOutIsNoExcuse: memory that was not looked at does not stand for RAM.
func TestWhatIsLeftOutIsNoExcuse(t *testing.T) {
	r := good()
	r.RAMBytes = 512 << 20
	r.Memory.LeftOut = []LeftOut{{"pc.ram", 362 << 20, "it is large"}}
	outcome, witness := judgeMemory(r)
	require.Equal(t, Unknown, outcome)
	require.Contains(t, witness, "157286400 bytes of memory were looked at, and the guest has 536870912 of RAM; left out: pc.ram (362 MiB)")
}

// TestRAMIsWhatQEMUSaysThatTheGuestHas: where the run asked for another size, or
// somebody behind its back.
func TestRAMIsWhatQEMUSaysThatTheGuestHas(t *testing.T) {
	for _, c := range []struct {
		mib   int
		bytes uint64
		want  uint64
	}{
		{150, 0, 150 << 20},
		{150, 512 << 20, 512 << 20},
		{0, 512 << 20, 512 << 20},
		{0, 0, 0},
		{-1, 0, 0},
		{1 << 40, 0, 0},
		{150, 1 << 60, 0},
	} {
		require.Equal(t, c.want, (&Record{MemoryMiB: c.mib, RAMBytes: c.bytes}).ram(), c)
	}
	r := good()
	r.RAMBytes = 1 << 20
	outcome, witness := judgeWorkload(r)
	require.Equal(t, Unknown, outcome, "a guest that is smaller than its workload")
	require.Contains(t, witness, "1048576 bytes of RAM")
}
