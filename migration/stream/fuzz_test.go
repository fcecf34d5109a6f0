package stream_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// FuzzRead: whatever the bytes are, both ways of reading end with a stream or with an
// error that says where, and do no more work than the package promises.
func FuzzRead(f *testing.F) {
	f.Add(tiny())
	f.Add(withoutAFooter())
	f.Add(packaged(38))
	f.Add(xbzrleFirst())
	f.Add(recorded(f, "11.1-multifd"))
	f.Add(css("00\x01\x02\x03\x04\x050", `{"name": "images", "array_len": 4, "type": "nullptr", "size": 1}`))
	f.Add(css("\x01\x00\x00\x00\x0500", `{"name": "images", "array_len": 3, `+image+`}`))
	f.Add(build().machine("sun4u").sizedRAM(8192, 4).end(""))
	f.Add(mappedFile(3*4096, []string{"x-ignore-shared", "mapped-ram"}, func(b *builder) {
		b.shared("one", 4096, 4096).mapped("two", 4096, "", "text")
	}))
	f.Fuzz(requireSound)
}

// FuzzMutatedStreams: as FuzzRead, of streams of real QEMUs in which something has been
// changed (see mutated).
func FuzzMutatedStreams(f *testing.F) {
	streams := [][]byte{squeezed(recorded(f, "10.0-none-mapped-ram"))}
	for _, name := range recordings(f) {
		if b := recorded(f, name); len(b) <= maxMutated {
			streams = append(streams, b)
		}
	}
	require.Greater(f, len(streams), 8)
	for which := range streams {
		f.Add(byte(which), []byte{})
		f.Add(byte(which), []byte("\x81\x00\x00\x05\xff\xff\xff\xff\x85\x00\x00\x30\x00\x00\x00\x00"))
		f.Add(byte(which), []byte("\x84\x00\x00\x03\x00\x00\x00\x80\x02\x80\x00\x00\x00\x00\x00\x07"))
		f.Add(byte(which), []byte("\x86\x00\x00\x02\x00\x00\x01\x00\x07\xff\x00\x00\x00\x00\x40\x01"))
	}
	f.Fuzz(func(t *testing.T, which byte, edits []byte) {
		b := streams[int(which)%len(streams)]
		requireSound(t, mutated(b, streams[(int(which)+1)%len(streams)], edits))
	})
}

// maxMutated is the length of streams that are small enough to be read often.
const maxMutated = 40 << 10

// squeezed is a mapped-ram file of one block without the gap before its pages, and with
// one page.
func squeezed(b []byte) []byte {
	s, err := readFile(b, stream.Options{})
	if err != nil || len(s.RAM.Blocks) != 1 {
		panic("a stream of one mapped block is expected")
	}
	block := s.RAM.Blocks[0]
	head := bytes.Clone(b[:block.Mapped.Bitmap+8])
	binary.BigEndian.PutUint64(head[len(head)-16:], uint64(len(head)))
	rest := b[block.Mapped.Pages+int64(block.Length):]
	for _, length := range []uint64{block.Length | 4, block.Length} { // of all RAM, and of the block
		at := bytes.Index(head, binary.BigEndian.AppendUint64(nil, length))
		binary.BigEndian.PutUint64(head[at:], length-block.Length+4096)
	}
	return slices.Concat(head, make([]byte, 4096), rest)
}

// maxEdits is how many changes are made to one stream.
const maxEdits = 16

// mutated makes the changes to a stream that are written in edits, 8 bytes each: what to
// do, a place of 3 bytes, and a number. Where the first byte is 0x80 or more the place
// is near something that means something: 0x06 and 0x04 begin a description and a section.
func mutated(b, other, edits []byte) []byte {
	b = bytes.Clone(b)
	for n := 0; len(edits) >= 8 && n < maxEdits && len(b) > 0; n++ {
		what, place, value := edits[0], int(edits[1])<<16|int(edits[2])<<8|int(edits[3]), binary.BigEndian.Uint32(edits[4:])
		edits = edits[8:]
		at := place * len(b) >> 24
		if what >= 0x80 {
			at = meaning(b, place)
		}
		length := min(int(value&0xffff), len(b)-at)
		switch what % 8 {
		case 0:
			b[at] = byte(value)
		case 1:
			copy(b[at:], binary.BigEndian.AppendUint32(nil, value))
		case 2:
			b = slices.Delete(b, at, at+length)
		case 3:
			b = slices.Insert(b, at, make([]byte, length)...)
		case 4:
			b = slices.Insert(b, at, bytes.Clone(b[at:at+length])...)
		case 5:
			b = b[:at]
		case 6:
			to := int(value>>16) * len(b) >> 16
			copy(b[to:], bytes.Clone(b[at:at+length]))
		case 7:
			if at < len(other) {
				b = slices.Insert(b, at, other[at:min(at+length, len(other))]...)
			}
		}
	}
	return b
}

// meaning is near the place-th byte that begins a part of a stream, as far as one can tell.
func meaning(b []byte, place int) int {
	near := place & 0x0f
	nth := place >> 4
	for at := 0; at+5 < len(b); at++ {
		head := b[at] <= 8 && b[at+1] == 0 && b[at+2] == 0 && b[at+3] == 0 || b[at] == 0x7e && b[at+1] == 0
		if head && b[at] != 0 {
			if nth--; nth < 0 {
				return min(at+near, len(b)-1)
			}
		}
	}
	return len(b) - 1
}

// requireSound reads a stream in each way.
func requireSound(t *testing.T, b []byte) {
	page := make([]byte, 4096)
	o := stream.Options{Page: func(p stream.Page) error {
		if p.Address >= p.Block.Length || p.Kind == stream.NormalPage && p.Address%uint64(len(p.Data)) != 0 {
			t.Fatalf("a page at %#x of a block with %#x bytes", p.Address, p.Block.Length)
		}
		_ = p.Onto(page)
		return nil
	}}
	for _, read := range []func() (*stream.Stream, stream.Work, error){
		func() (*stream.Stream, stream.Work, error) { return stream.ReadFileWork(b, o) },
		func() (*stream.Stream, stream.Work, error) { return stream.ReadWork(bytes.NewReader(b), o) },
	} {
		s, work, err := read()
		require.NotNil(t, s)
		require.LessOrEqual(t, s.Offset+s.Size, int64(len(b)))
		if err == nil {
			require.True(t, s.Ended)
		}
		for _, p := range append(s.Check(), s.Remarks()...) {
			require.NotEmpty(t, p.String())
		}
		require.LessOrEqual(t, work.All(), 1<<20+16*int64(len(b)))
		require.LessOrEqual(t, countSections(s), 4096+2*len(b))
	}
	f, err := openFile(b)
	if err != nil {
		return
	}
	whole := make([]byte, f.PageSize())
	for _, block := range f.RAM.Blocks[:min(len(f.RAM.Blocks), 100)] {
		if f.Has(block.Name, 0) {
			_ = f.ReadPage(block.Name, 0, whole)
		}
	}
}

func countSections(s *stream.Stream) (n int) {
	for _, section := range s.Sections {
		n += 1 + countFields(section.Fields)
	}
	return n
}

// FuzzDescription: what is read of a description is JSON, and no more than its length
// allows is made of it.
func FuzzDescription(f *testing.F) {
	f.Add([]byte(tinyDescription))
	f.Add([]byte(noDevices))
	f.Add([]byte(`{"devices": [null, {"name": null, "fields": null, "more": [{"a": [1.5e3, true]}]}], "page_size": 4096, "page_size": 8192}`))
	f.Add([]byte(`{"devices": [{"fields": [{"name": "\ud800\u0000", "size": 4294967295, "array_len": 4294967295, "fields": []}]}]} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := stream.ParseDescription(text)
		if err != nil {
			require.Nil(t, d)
			return
		}
		require.True(t, json.Valid(text))
		for i := range d.Devices {
			require.GreaterOrEqual(t, d.Devices[i].Size(), int64(0))
		}
	})
}

// TestRealStreamsAreMutated: the target would find nothing if nothing ever changed.
func TestRealStreamsAreMutated(t *testing.T) {
	b := recorded(t, "7.2")
	require.Equal(t, b, mutated(b, nil, nil))
	for what := range byte(8) {
		for _, near := range []byte{0, 0x80} {
			changed := mutated(b, bytes.Repeat([]byte("other"), len(b)), []byte{near | what, 0, 0x40, 0, 0x12, 0x34, 0x56, 0x78})
			require.NotEqual(t, b, changed, "%#x", near|what)
		}
	}
	s, err := readFile(squeezed(recorded(t, "10.0-none-mapped-ram")), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	s, err = readFile(mutated(b, nil, []byte{0x85, 0, 0x0f, 0xf0, 0, 0, 0, 0}), stream.Options{})
	require.ErrorContains(t, err, "truncated")
	require.NotEmpty(t, s.Sections)
}
