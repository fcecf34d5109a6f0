package steps

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

// recorded opens a stream that a real QEMU sent.
func recorded(t *testing.T, name string) *savedStream {
	t.Helper()
	packed, err := os.Open(filepath.Join("..", "stream", "testdata", "streams", name+".gz"))
	require.NoError(t, err)
	defer func() { _ = packed.Close() }()
	z, err := gzip.NewReader(packed)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), streamFile)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	saved, err := openSaved(path)
	require.NoError(t, err)
	t.Cleanup(saved.close)
	return saved
}

func TestFileWithAPlaceForEachPageIsMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		doctor func(*savedStream)
		want   string
	}{
		"as QEMU wrote it":  {func(*savedStream) {}, ""},
		"pages in a stream": {func(s *savedStream) { s.RAM.Blocks[0].Mapped = nil }, "is it a file of capability mapped-ram?"},
		"pages anywhere":    {func(s *savedStream) { s.RAM.Blocks[0].Mapped.Pages += 4096 }, "and the pages at a multiple of 0x100000"},
		"a bitmap anywhere": {func(s *savedStream) { s.RAM.Blocks[0].Mapped.Bitmap += 8 }, "where the bitmap was expected at"},
		"no RAM": {func(s *savedStream) {
			s.Sections = slices.DeleteFunc(s.Sections, func(x *stream.Section) bool { return x.Name == "ram" })
		}, "no section of RAM"},
	} {
		t.Run(name, func(t *testing.T) {
			saved := recorded(t, "11.1-mapped-ram")
			c.doctor(saved)
			p := &migration.Pair{Facts: &record.Record{}}
			err := measureMappedFile(p, saved)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, p.Facts.Measures, 1)
			m := p.Facts.Measures[0]
			require.True(t, *m.Min <= m.Value && m.Value <= *m.Max, "%+v", m)
		})
	}
}

func TestPageThatAFileLeavesOutIsZero(t *testing.T) {
	saved := recorded(t, "11.1-mapped-ram")
	block := saved.RAM.Blocks[0]
	page := slices.Repeat([]byte{1}, 4096)
	absent := uint64(0)
	for saved.Has(block.Name, absent) {
		absent += uint64(len(page))
	}
	require.Less(t, absent, block.Length)
	require.NoError(t, saved.ReadPage(block.Name, absent, page))
	require.Equal(t, make([]byte, 4096), page)
}

// TestBlockIsFoundByWhatTheMemoryMapCallsIt: QEMU migrates vga.vram by the name of the device
// that has it, and some versions a backend's by its path.
func TestBlockIsFoundByWhatTheMemoryMapCallsIt(t *testing.T) {
	s := &savedStream{File: &stream.File{Stream: &stream.Stream{}}}
	for _, name := range []string{"pc.ram", "0000:00:02.0/vga.vram", "/objects/ram1", "/rom@etc/acpi/tables", "a/twice", "b/twice", "once", "c/once"} {
		s.RAM.Blocks = append(s.RAM.Blocks, &stream.Block{Name: name})
	}
	for name, want := range map[string]string{
		"pc.ram": "pc.ram", "vga.vram": "0000:00:02.0/vga.vram", "ram1": "/objects/ram1", "tables": "/rom@etc/acpi/tables", "once": "once", "twice": "", "vram": "",
	} {
		found := s.block(name)
		if want == "" {
			require.Nil(t, found, name)
			continue
		}
		require.NotNil(t, found, name)
		require.Equal(t, want, found.Name)
	}
}

func TestDeviceThatDoesNotArriveIsNamed(t *testing.T) {
	device := func(s *stream.Stream, name string) *stream.Section { return s.Device(name, 0) }
	field := func(s *stream.Stream, of, name string) *stream.Field {
		fields := device(s, of).Fields
		return &fields[slices.IndexFunc(fields, func(f stream.Field) bool { return f.Name == name })]
	}
	flipBit := func(f *stream.Field, bit int) {
		f.Data = slices.Clone(f.Data)
		f.Data[len(f.Data)-1] ^= 1 << bit
		f.Value = "doctored"
	}
	flip := func(f *stream.Field) { flipBit(f, 0) }
	for name, c := range map[string]struct {
		doctor func(*stream.Stream)
		want   string
	}{
		"as it was sent":           {func(*stream.Stream) {}, ""},
		"a field":                  {func(s *stream.Stream) { flip(field(s, "port92", "outport")) }, "1 fields of devices did not arrive: the device port92, field outport: the source had"},
		"a clock that has run on":  {func(s *stream.Stream) { flip(field(s, "mc146818rtc", "last_update")) }, ""},
		"the time in the CMOS":     {func(s *stream.Stream) { field(s, "mc146818rtc", "cmos_data").Data[0] ^= 1 }, ""},
		"another byte of the CMOS": {func(s *stream.Stream) { flip(field(s, "mc146818rtc", "cmos_data")) }, "the device mc146818rtc, field cmos_data"},
		"TCG's note to itself":     {func(s *stream.Stream) { flipBit(field(s, "cpu_common", "interrupt_request"), 2) }, ""},
		"another interrupt":        {func(s *stream.Stream) { flip(field(s, "cpu_common", "interrupt_request")) }, "the device cpu_common, field interrupt_request"},
		"a version":                {func(s *stream.Stream) { device(s, "port92").Version++ }, "and the destination 2"},
		"a device":                 {func(s *stream.Stream) { device(s, "port92").Name = "port93" }, "(port92), and the destination does not; the destination sends"},
		"a field that is not sent": {func(s *stream.Stream) { field(s, "port92", "outport").Name = "inport" }, "the source sends the field outport of the device port92, and the destination does not"},
		"a device without fields": {func(s *stream.Stream) {
			d := device(s, "port92")
			d.Fields, d.Data = nil, []byte{0xfe}
		}, ", the destination has fe"},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := recorded(t, "10.0"), recorded(t, "10.0")
			c.doctor(destination.Stream)
			compared, err := compareDevices(source.Stream, destination.Stream)
			require.Greater(t, compared, 1000)
			if c.want == "" {
				require.NoError(t, err)
				require.NoError(t, compareBlocks(source, destination))
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestBlockOfRAMThatDoesNotArriveIsNamed(t *testing.T) {
	source, destination := recorded(t, "10.0"), recorded(t, "10.0")
	var last stream.Page // that has data
	path := destination.file.Name()
	info, err := destination.file.Stat()
	require.NoError(t, err)
	_, err = stream.ReadFile(destination.file, info.Size(), stream.Options{Page: func(p stream.Page) error {
		if p.Kind == stream.NormalPage {
			last = p
		}
		return nil
	}})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[last.Offset+5] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o600))
	require.ErrorContains(t, compareBlocks(source, destination),
		fmt.Sprintf("at %#x of the RAM by the name of %s the source had ", last.Address+5, last.Block.Name))

	block := destination.RAM.Blocks[0]
	block.Length += 4096
	require.ErrorContains(t, compareBlocks(source, destination), "by the name of "+block.Name+", and the destination does not")
}
