package steps

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// printed is what a QEMU prints, in short: two address spaces have the same in them.
const printed = "FlatView #0\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan\r\n\r\n" +
	"FlatView #1\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: system\r\n Root memory region: system\r\n" +
	"  0000000000000000-00000000000bffff (prio 0, ram): pc.ram\r\n  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\r\n\r\n"

func TestMemoryMapsThatDifferSayWhere(t *testing.T) {
	source := parseMemoryMap(printed)
	require.Len(t, source, 3)
	twice := printed + strings.Replace(printed, "pc.ram", "vga.ram", 1)
	require.NoError(t, differentMaps(parseMemoryMap(twice), parseMemoryMap(strings.Replace(printed, "pc.ram", "vga.ram", 1)+printed)), "two of one name, in another order")
	views := strings.SplitAfter(printed, "\r\n\r\n")
	require.NoError(t, differentMaps(source, parseMemoryMap(views[1]+views[0])), "in another order")
	for change, want := range map[[2]string]string{
		{"(prio 1, rom)", "(prio 1, ram)"}:                                                              `in the address space "cpu-memory-0", root: system the source has 00000000000c0000-00000000000dffff (prio 1, rom): pc.rom where the destination has 00000000000c0000-00000000000dffff (prio 1, ram): pc.rom`,
		{"  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\r\n", ""}:                           `the destination has nothing`,
		{"dma-chan\r\n", "dma-chan\r\n  0000000000000008-000000000000000f (prio 0, i/o): dma-cont\r\n"}: `in the address space "I/O", root: io the source has nothing where`,
		{` AS "cpu-memory-0", root: system` + "\r\n", ""}:                                               `the source has an address space "cpu-memory-0", root: system, and the destination has none`,
	} {
		destination := strings.Replace(printed, change[0], change[1], 1)
		require.NotEqual(t, printed, destination)
		require.ErrorContains(t, differentMaps(source, parseMemoryMap(destination)), want)
	}
	require.Empty(t, parseMemoryMap(""))
}
