package stream_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// both reads a stream in both ways, which must agree, and returns what is said.
func both(t *testing.T, b []byte) (*stream.Stream, string) {
	t.Helper()
	s, err := readFile(b, stream.Options{})
	forward, errForward := stream.Read(bytes.NewReader(b), stream.Options{})
	if err != nil {
		require.Error(t, errForward)
		return s, err.Error()
	}
	require.NoError(t, errForward)
	require.Len(t, forward.Sections, len(s.Sections))
	var said []string
	for _, p := range s.Check() {
		said = append(said, p.String())
	}
	return s, strings.Join(said, "\n")
}

func TestATinyStreamIsWhole(t *testing.T) {
	s, said := both(t, tiny())
	require.Empty(t, said)
	lamp := s.Device("lamp", 0)
	require.Equal(t, "true", lamp.Field("on").Value)
	require.Equal(t, "0xbeef", lamp.Field("lamp/colour/colour").Value)
	require.Nil(t, lamp.Field("lamp/colour/size"))
	require.Nil(t, s.Device("lamp", 1))
}

// TestPagesOfEachKindAreDecoded: what has changed stands on what was sent before.
func TestPagesOfEachKindAreDecoded(t *testing.T) {
	whole := bytes.Repeat([]byte("drover. "), 512)
	b := build()
	b.ram(4, nothing, func() {
		b.page(0, 0x08).raw(string(whole))
		b.page(1, 0x22).u8(0xaa)
		b.page(2, 0x120).u32(uint32(len(compressed(whole)))).raw(compressed(whole))
		b.page(3, 0x28).raw(string(whole))
		b.page(3, 0x60).u8(1).u16(9).raw("\x03\x02AB\x80\x01\x01C\x04") // 3 stay, AB, 128 stay, C, and a rest of 4
		b.u64(0x200)
	})
	got := map[uint64][]byte{}
	s, err := readFile(b.end(noDevices), stream.Options{Page: func(p stream.Page) error {
		if got[p.Address] == nil {
			got[p.Address] = make([]byte, 4096)
		}
		require.Error(t, p.Onto(make([]byte, 5)))
		return p.Onto(got[p.Address])
	}})
	require.NoError(t, err)
	require.Equal(t, stream.Counts{Zero: 1, Normal: 2, XBZRLE: 1, Compressed: 1}, s.RAM.Counts)
	require.EqualValues(t, 1, s.RAM.Syncs)
	require.EqualValues(t, 4, s.RAM.Blocks[0].Sent)
	changed := bytes.Clone(whole)
	copy(changed[3:], "AB")
	changed[133] = 'C'
	require.Equal(t, map[uint64][]byte{0: whole, 4096: bytes.Repeat([]byte{0xaa}, 4096), 8192: whole, 12288: changed}, got)
}

func TestXBZRLEStaysInsideItsPage(t *testing.T) {
	for _, data := range []string{"\x80", "\x80\x80\x01", "\xff\x7f", "\x00\x00", "\x00\x02A", "\xff\x1f\x02AB", "\x00\x80"} {
		require.ErrorContains(t, stream.Page{Kind: stream.XBZRLEPage, Data: []byte(data)}.Onto(make([]byte, 4096)), "beyond its end", "%q", data)
	}
	require.ErrorContains(t, stream.Page{Kind: stream.CompressedPage, Data: []byte("no zlib")}.Onto(make([]byte, 4096)), "compressed page")
}

func TestMachinesWithoutFootersAreReadByTheirDescription(t *testing.T) {
	b := build()
	b.withoutFoot = true
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.section(4, 3, "lamp", 1, func() { b.u8(0).u32(7).u8(5).name("lamp/colour").u32(2).u16(3) })
	s, said := both(t, b.end(tinyDescription))
	require.Empty(t, said)
	require.Equal(t, "0x7", s.Device("lamp", 0).Field("hours").Value)

	b = build()
	b.withoutFoot = true
	b.section(4, 3, "lamp", 1, func() { b.u32(7) })
	_, said = both(t, b.end(""))
	require.Contains(t, said, "truncated at byte 31, in section 3 (lamp)")
}

func TestOtherPageSizesAndHugePages(t *testing.T) {
	b := build().machine("virt").u8(5).name("configuration/target-page-bits").u32(1).u32(14)
	b.section(1, 9, "ram", 4, func() { b.u64(32<<10 | 4).name("mach-virt.ram").u64(32 << 10).u64(0x10) })
	b.section(3, 9, "", 0, func() {
		b.u64(0x02).name("mach-virt.ram").u8(0)
		b.u64(16<<10 | 0x28).raw(strings.Repeat("x", 16<<10)).u64(0x10)
	})
	s, said := both(t, b.end(noDevices))
	require.Empty(t, said)
	require.Equal(t, 14, s.Configuration.PageBits)
	require.EqualValues(t, 2, s.RAM.Blocks[0].Sent)

	b = build().machine("pc").capabilities("x-ignore-shared")
	b.u8(8).u16(3).u16(16).u64(2<<20 | 4096).u64(4096) // advises postcopy
	b.ram(1, func() { b.u64(2 << 20).u64(1 << 30) }, nothing)
	s, said = both(t, b.end(noDevices))
	require.Empty(t, said)
	require.EqualValues(t, 2<<20, s.RAM.Blocks[0].PageSize)
	require.EqualValues(t, 1<<30, *s.RAM.Blocks[0].Address)
}

// TestOtherLiveSectionsArePassedOver: they tell no length and nothing describes them.
func TestOtherLiveSectionsArePassedOver(t *testing.T) {
	b := build()
	b.section(1, 1, "dirty-bitmap", 1, func() { b.raw("\x7e\x00\x00\x00\x01 not yet") })
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.section(2, 1, "", 0, func() { b.raw(strings.Repeat("bits", 200_000)) })
	b.section(3, 1, "", 0, nothing)
	s, said := both(t, b.end(noDevices))
	require.Empty(t, said)
	require.EqualValues(t, 3, s.Device("dirty-bitmap", 0).Parts)
	require.EqualValues(t, 13+800_000, s.Device("dirty-bitmap", 0).Size)
}

func TestDevicesBeforeRAMAreRead(t *testing.T) {
	b := build()
	b.section(4, 3, "lamp", 1, func() { b.u8(1).u32(0x7e000000).u8(5).name("lamp/colour").u32(2).u16(3) })
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	s, said := both(t, b.end(tinyDescription))
	require.Empty(t, said)
	require.NotNil(t, s.Device("lamp", 0).Fields)
}

func TestValuesAreWrittenAsTheirTypes(t *testing.T) {
	b := build()
	b.section(4, 3, "all", 1, func() {
		b.u8(2).u16(0xfffe).u64(1 << 63).raw("\x01\x02\x03").raw(strings.Repeat("\xab", 40)).raw(strings.Repeat("\x00\x05", 20)).u32(9).u32(10).u8(1).u8(2)
	})
	s, said := both(t, b.end(`{"devices": [{"name": "all", "instance_id": 0, "vmsd_name": "all", "version": 1, "fields": [
		{"name": "odd", "type": "bool", "size": 1}, {"name": "minus", "type": "int16", "size": 2}, {"name": "most", "type": "uint64 equal", "size": 8},
		{"name": "three", "type": "uint24", "size": 3}, {"name": "bytes", "type": "buffer", "size": 40},
		{"name": "many", "type": "uint16", "array_len": 20, "size": 2},
		{"name": "one", "index": 4, "type": "struct", "size": 4, "struct": {"vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "uint32", "size": 4}]}},
		{"name": "list", "type": "qtailq", "size": 4, "vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]},
		{"name": "pair", "array_len": 2, "type": "struct", "size": 1, "struct": {"vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]}},
		{"name": "none", "array_len": 3, "type": "struct", "size": 0, "struct": {"vmsd_name": "s", "version": 1, "fields": []}}]}]}`))
	require.Empty(t, said)
	all := s.Device("all", 0)
	for path, value := range map[string]string{
		"odd": "0x2", "minus": "-2", "most": "0x8000000000000000", "three": "0x10203", "bytes": strings.Repeat("ab", 32) + "...",
		"many": strings.Repeat("0x5 ", 16) + "...", "one[4]/x": "0x9", "list": "0000000a", "pair/pair[1]/x": "0x2",
	} {
		f := all.Field(path)
		require.NotNil(t, f, path)
		require.Equal(t, value, f.Value, path)
	}
	_, one := all.Field("many").Uint()
	require.False(t, one)
}
