package stream_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// FuzzRead: whatever the bytes are, both ways of reading end with a stream or with an
// error that says where, and don't take more memory than they should.
func FuzzRead(f *testing.F) {
	f.Add(tiny())
	f.Add(withoutAFooter())
	f.Add(packaged(38))
	f.Add(xbzrleFirst())
	f.Add(recorded(f, "11.1-multifd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		page := make([]byte, 4096)
		o := stream.Options{Page: func(p stream.Page) error {
			if p.Address%4096 != 0 || p.Address >= p.Block.Length {
				t.Fatalf("a page at %#x of a block with %#x bytes", p.Address, p.Block.Length)
			}
			_ = p.Onto(page)
			return nil
		}}
		for _, read := range []func() (*stream.Stream, error){
			func() (*stream.Stream, error) { return readFile(b, o) },
			func() (*stream.Stream, error) { return stream.Read(bytes.NewReader(b), o) },
		} {
			s, err := read()
			require.NotNil(t, s)
			require.LessOrEqual(t, s.Offset+s.Size, int64(len(b)))
			if err == nil {
				require.True(t, s.Ended)
			}
			for _, p := range s.Check() {
				require.NotEmpty(t, p.String())
			}
		}
	})
}

// TestClaimsCostNoMemory: a stream may say of anything that it is huge.
func TestClaimsCostNoMemory(t *testing.T) {
	blocks := build()
	blocks.section(1, 9, "ram", 4, func() {
		blocks.u64(1<<62 | 4).name("pc.ram").u64(1 << 62)
		for n := range 1000 {
			blocks.page(n<<40, 0x02).u8(0)
		}
	})
	array := build()
	array.section(4, 3, "lamp", 1, func() { array.u8(1) })
	mapped := build().machine("x").capabilities("mapped-ram")
	mapped.section(1, 9, "ram", 4, func() {
		mapped.u64(1<<62 | 4).name("pc.ram").u64(1 << 62).u32(1).u64(4096).u64(200).u64(1 << 40)
	})
	for name, b := range map[string][]byte{
		"RAM":                blocks.end(""),
		"mapped RAM":         mapped.end(""),
		"an array":           array.end(`{"devices": [{"name": "lamp", "vmsd_name": "x", "fields": [{"name": "a", "type": "uint8", "array_len": 4294967295, "size": 255}]}]}`),
		"an array of arrays": array.end(`{"devices": [{"name": "lamp", "vmsd_name": "x", "fields": [{"name": "a", "array_len": 4294967295, "size": 0, "struct": {"fields": [{"name": "a", "array_len": 4294967295, "size": 0}]}}]}]}`),
		"the description":    build().u8(0).u8(6).u32(0xffffffff).b,
		"a package":          build().u8(8).u16(7).u16(4).u32(0xffffffff).b,
		"the machine":        build().u8(7).u32(0xffffffff).b,
		"capabilities":       build().machine("x").u8(5).name("configuration/capabilities").u32(1).u32(0xffffffff).b,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, _ := readFile(b, stream.Options{})
			s.Check()
			_, _ = stream.Read(bytes.NewReader(b), stream.Options{})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		})
	}
}

// TestWhatIsLookedForIsBounded: a section that never ends is not kept for ever.
func TestWhatIsLookedForIsBounded(t *testing.T) {
	b := build()
	b.u8(1).u32(1).name("dirty-bitmap").u32(0).u32(1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := stream.Read(io.MultiReader(bytes.NewReader(b.b), endless{}), stream.Options{})
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "no end of a section within 67108864 bytes at byte 34, in section 1 (dirty-bitmap)")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20))
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// repeated reads the same bytes so many times.
type repeated struct {
	b     []byte
	at, n int
}

func (r *repeated) Read(to []byte) (n int, err error) {
	for n < len(to) && r.n > 0 {
		k := copy(to[n:], r.b[r.at:])
		n += k
		if r.at += k; r.at == len(r.b) {
			r.at, r.n = 0, r.n-1
		}
	}
	if n == 0 && r.n == 0 {
		err = io.EOF
	}
	return n, err
}

// BenchmarkRead reads 150 MiB of pages that are sent whole, and a real machine's devices.
func BenchmarkRead(b *testing.B) {
	const pages = 150 << 20 / 4096
	real := recorded(b, "11.1")
	s, err := readFile(real, stream.Options{})
	require.NoError(b, err)
	devices := real[s.Device("apic", 0).Offset-int64(len("\x04\x00\x00\x00\x07\x04apic\x00\x00\x00\x00\x00\x00\x00\x03")):]
	head := build()
	head.section(1, 200, "ram", 4, func() { head.u64(pages<<12|4).name("pc.ram").u64(pages<<12).page(0, 0x02).u8(0) })
	head.b = head.b[:len(head.b)-5]
	page := append([]byte{0, 0, 0, 0, 0, 0, 0, 0x28}, bytes.Repeat([]byte("page"), 1024)...)
	last := new(builder).u64(0x10).u8(0x7e).u32(200).u8(3).u32(200).u64(0x10).u8(0x7e).u32(200).b
	b.SetBytes(pages * 4096)
	for b.Loop() {
		s, err := stream.Read(io.MultiReader(bytes.NewReader(head.b), &repeated{b: page, n: pages}, bytes.NewReader(last), bytes.NewReader(devices)), stream.Options{})
		if err != nil || s.RAM.Normal != pages {
			b.Fatal(err)
		}
	}
}
