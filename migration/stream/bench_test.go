package stream_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

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
