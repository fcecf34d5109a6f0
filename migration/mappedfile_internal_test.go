package migration

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mappedStream is a file of capability mapped-ram with two blocks of RAM.
func mappedStream(doctor func(h *mappedHeader)) []byte {
	var b bytes.Buffer
	put := func(value any) { _ = binary.Write(&b, binary.BigEndian, value) }
	b.WriteString(streamMagic + "\x00\x00\x00\x03" + "\x01\x00\x00\x00\x02" + ramSection)
	put(uint64(3*pageSize + memSize))
	for _, block := range []mappedBlock{{name: "pc.ram", size: 2 * pageSize}, {name: "rom", size: pageSize}} {
		b.WriteByte(byte(len(block.name)))
		b.WriteString(block.name)
		put(block.size)
		h := mappedHeader{Version: mappedVersion, PageSize: pageSize}
		h.Bitmap = uint64(b.Len() + binary.Size(h))
		h.Pages = (h.Bitmap + mappedAlign) / mappedAlign * mappedAlign
		doctor(&h)
		put(h)
		_ = binary.Write(&b, binary.NativeEndian, uint64(0b10)) // the second page only
		b.Write(make([]byte, max(0, int(h.Pages+block.size)-b.Len())))
	}
	return b.Bytes()
}

func TestFileWithMappedRAMIsRead(t *testing.T) {
	file := bytes.NewReader(mappedStream(func(*mappedHeader) {}))
	blocks, err := mappedBlocks(file)
	require.NoError(t, err)
	require.Len(t, blocks, 2)
	require.Equal(t, "pc.ram", blocks[0].name)
	require.Equal(t, "rom", blocks[1].name)
	require.Equal(t, uint64(1<<20), blocks[0].Pages)
	require.Equal(t, uint64(2<<20), blocks[1].Pages)
	there, err := blocks[0].bitmapOf(file)
	require.NoError(t, err)
	require.False(t, there.has(0))
	require.True(t, there.has(1))
}

func TestFileWithoutMappedRAMIsNamed(t *testing.T) {
	for what, c := range map[string]struct {
		file []byte
		word string
	}{
		"nothing":           {nil, "does not begin as a stream"},
		"something else":    {[]byte(strings.Repeat("drover", 100)), "does not begin as a stream"},
		"no RAM":            {[]byte(streamMagic + strings.Repeat("\x00", 100)), "nothing of RAM"},
		"pages in a stream": {mappedStream(func(h *mappedHeader) { *h = mappedHeader{} }), `block "pc.ram"`},
		"another version":   {mappedStream(func(h *mappedHeader) { h.Version = 2 }), "Version:2"},
		"pages anywhere":    {mappedStream(func(h *mappedHeader) { h.Pages += pageSize }), "capability mapped-ram"},
		"cut short":         {mappedStream(func(*mappedHeader) {})[:1<<20], "at 0x102000 of the file"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := mappedBlocks(bytes.NewReader(c.file))
			require.ErrorContains(t, err, c.word)
		})
	}
}

func TestDifferenceIsFoundWhereItIs(t *testing.T) {
	a, b := make([]byte, pageSize), make([]byte, pageSize)
	require.Equal(t, -1, firstDifference(a, b))
	b[4095] = 1
	require.Equal(t, 4095, firstDifference(a, b))
}
