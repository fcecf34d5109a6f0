package launcher

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemoryOfNVDIMMsIsRAM: QEMU calls it nv-ram. What devices have behind a window that
// they emulate, or of the host's, is none.
func TestMemoryOfNVDIMMsIsRAM(t *testing.T) {
	require.Equal(t, []window{
		{start: 0, end: 0xa0000, block: "pc.ram"},
		{start: 0xf0000, end: 0x100000, rom: true, block: "pc.bios", offset: 0x20000},
		{start: 0x100000000, end: 0x140000000, block: "pc.ram", offset: 0xc0000000},
		{start: 0x140000000, end: 0x148000000, block: "persistent"},
	}, flatRanges(`FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, ram): not memory

FlatView #1
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM
  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem
  00000000000f0000-00000000000fffff (prio 0, rom): pc.bios @0000000000020000 KVM
  00000000fe000000-00000000fe000fff (prio 1, ramd): of the host
  0000000100000000-000000013fffffff (prio 0, ram): pc.ram @00000000c0000000
  0000000140000000-0000000147ffffff (prio 0, nv-ram): persistent
`))
}
