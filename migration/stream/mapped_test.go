package stream_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// mappedFile is a file of capability mapped-ram whose blocks are written by more.
func mappedFile(total uint64, capabilities []string, more func(*builder)) []byte {
	b := build().machine("tiny").capabilities(capabilities...)
	b.section(1, 9, "ram", 4, func() {
		b.u64(total | 4)
		more(b)
		b.u64(0x10)
	})
	b.section(3, 9, "", 0, func() { b.u64(0x10) })
	b.section(4, 3, "lamp", 1, func() { b.u8(1).u32(7).u8(5).name("lamp/colour").u32(2).u16(0xbeef) })
	return b.end(tinyDescription)
}

// TestSharedBlocksAreNotInAMappedFile: their header stands there, and the next block
// behind it. They count as not sent.
func TestSharedBlocksAreNotInAMappedFile(t *testing.T) {
	both := []string{"x-ignore-shared", "mapped-ram"}
	b := mappedFile(5*4096, both, func(b *builder) {
		b.shared("one", 4096, 4096)
		b.name("own").u64(2 * 4096).u64(1 << 20).u32(1).u64(4096)
		at := len(b.b) + 16
		b.u64(uint64(at)).u64(uint64(at + 8)).raw("\x02\x00\x00\x00\x00\x00\x00\x00").raw(strings.Repeat("\x00", 4096) + strings.Repeat("P", 4096))
		b.shared("other", 4096, 2*4096)
	})
	s, err := readFile(b, stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Equal(t, "0xbeef", s.Device("lamp", 0).Field("lamp/colour/colour").Value)
	require.Equal(t, stream.Counts{Zero: 1, Normal: 1}, s.RAM.Counts)
	for _, block := range s.RAM.Blocks {
		shared := block.Name != "own"
		require.Equal(t, shared, block.Mapped == nil)
		require.Equal(t, shared, block.Sent == 0)
	}
	f, err := openFile(b)
	require.NoError(t, err)
	page := make([]byte, 4096)
	require.NoError(t, f.ReadPage("own", 4096, page))
	require.Equal(t, bytes.Repeat([]byte("P"), 4096), page)
	require.False(t, f.Has("one", 0))
	require.ErrorContains(t, f.ReadPage("one", 0, page), "was not sent")

	_, err = readFile(mappedFile(4096, both[1:], func(b *builder) { b.name("one").u64(4096).u32(1).u64(4096).u64(0).u64(0) }), stream.Options{})
	require.ErrorContains(t, err, "bitmap at byte 0", "without the capability there is no such block")
}

func TestSharedBlocksOfARealMappedFile(t *testing.T) {
	s, err := readFile(recorded(t, "11.1-mapped-ram-ignore-shared"), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Equal(t, []string{"x-ignore-shared", "mapped-ram"}, s.Configuration.Capabilities)
	for _, b := range s.RAM.Blocks {
		require.Equal(t, b.Name == "r", b.Sent == 0, b.Name)
		require.Equal(t, b.Name == "r", b.Mapped == nil, b.Name)
	}
	firmware := slices.IndexFunc(s.RAM.Blocks, func(b *stream.Block) bool { return b.Name == "pc.bios" })
	require.Equal(t, stream.Counts{Zero: 8, Normal: 8}, s.RAM.Blocks[firmware].Counts)
}

// TestMappedPagesOfAnySizeAreRead: each block tells it. What the configuration tells
// differently is an error, and what only the description does is not.
func TestMappedPagesOfAnySizeAreRead(t *testing.T) {
	for _, size := range []uint64{4096, 8192, 16384, 65536} {
		b := mappedFile(3*size, []string{"mapped-ram"}, func(b *builder) { b.mapped("ram", size, "", "one", "two") })
		f, err := openFile(b)
		require.NoError(t, err)
		require.Empty(t, f.Check())
		require.EqualValues(t, size, f.PageSize())
		require.Equal(t, stream.Counts{Zero: 1, Normal: 2}, f.RAM.Counts)
		page := make([]byte, size)
		require.NoError(t, f.ReadPage("ram", 2*size, page))
		require.Equal(t, "two", string(bytes.TrimRight(page, "\x00")))
		require.NoError(t, f.ReadPage("ram", 0, page))
		require.Empty(t, bytes.TrimRight(page, "\x00"))
	}
	b := build().machine("tiny").u8(5).name("configuration/target-page-bits").u32(1).u32(14).capabilities("mapped-ram")
	b.section(1, 9, "ram", 4, func() { b.u64(16384|4).mapped("ram", 4096, "", "", "", "").u64(0x10) })
	_, err := readFile(b.end(`{"devices": []}`), stream.Options{})
	require.ErrorContains(t, err, `block "ram" is mapped in pages of 4096 bytes, and the target's have 16384`)
}
