package stream_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"
)

// A builder writes streams that no QEMU here writes.
type builder struct {
	b           []byte
	withoutFoot bool
}

func build() *builder { return new(builder).raw("QEVM").u32(3) }

func (b *builder) raw(s string) *builder { b.b = append(b.b, s...); return b }
func (b *builder) u8(v byte) *builder    { b.b = append(b.b, v); return b }
func (b *builder) u16(v uint16) *builder { b.b = binary.BigEndian.AppendUint16(b.b, v); return b }
func (b *builder) u32(v uint32) *builder { b.b = binary.BigEndian.AppendUint32(b.b, v); return b }
func (b *builder) u64(v uint64) *builder { b.b = binary.BigEndian.AppendUint64(b.b, v); return b }
func (b *builder) name(s string) *builder {
	return b.u8(byte(len(s))).raw(s)
}

func (b *builder) machine(name string) *builder { return b.u8(7).u32(uint32(len(name))).raw(name) }

func (b *builder) capabilities(names ...string) *builder {
	b.u8(5).name("configuration/capabilities").u32(1).u32(uint32(len(names)))
	for _, n := range names {
		b.name(n)
	}
	return b
}

func (b *builder) section(mark byte, id uint32, name string, version uint32, payload func()) *builder {
	b.u8(mark).u32(id)
	if mark == 1 || mark == 4 {
		b.name(name).u32(0).u32(version)
	}
	payload()
	if !b.withoutFoot {
		b.u8(0x7e).u32(id)
	}
	return b
}

// ram is the beginning, with one block, and the end, with what is sent of it.
func (b *builder) ram(pages int, more, payload func()) *builder {
	b.section(1, 9, "ram", 4, func() {
		b.u64(uint64(pages)*4096 | 4).name("pc.ram").u64(uint64(pages) * 4096)
		more()
		b.u64(0x10)
	})
	return b.section(3, 9, "", 0, func() {
		payload()
		b.u64(0x10)
	})
}

// sizedRAM is two sections of RAM like those of ram, in pages of another size: zero pages
// but for each third, which goes as it is.
func (b *builder) sizedRAM(size uint64, pages int) *builder {
	b.section(1, 9, "ram", 4, func() {
		b.u64(uint64(pages)*size | 4).name("ram").u64(uint64(pages) * size).u64(0x10)
	})
	return b.section(3, 9, "", 0, func() {
		for n := range uint64(pages) {
			again := uint64(0)
			if n > 0 {
				again = 0x20
			}
			kind := uint64(0x02)
			if n%3 == 1 {
				kind = 0x08
			}
			b.u64(n*size | kind | again)
			if n == 0 {
				b.name("ram")
			}
			if kind == 0x02 {
				b.u8(0)
			} else {
				b.raw(strings.Repeat(string(rune('a'+n%26)), int(size)))
			}
		}
		b.u64(0x10)
	})
}

// mapped is a block of a mapped-ram file that begins here: those pages are there which
// have a text.
func (b *builder) mapped(name string, size uint64, pages ...string) *builder {
	b.name(name).u64(uint64(len(pages)) * size).u32(1).u64(size)
	bitmap := len(b.b) + 16
	words := (len(pages) + 63) / 64 * 8
	at := (bitmap + words + int(size) - 1) / int(size) * int(size)
	b.u64(uint64(bitmap)).u64(uint64(at))
	set := make([]byte, at-bitmap)
	for n, text := range pages {
		if text != "" {
			set[n/8] |= 1 << (n % 8)
		}
	}
	b.raw(string(set))
	for _, text := range pages {
		b.raw(text + strings.Repeat("\x00", int(size)-len(text)))
	}
	return b
}

// shared is a block of a mapped-ram file that isn't in it.
func (b *builder) shared(name string, size, length uint64) *builder {
	return b.name(name).u64(length).u64(0x100000).u32(1).u64(size).u64(0).u64(0)
}

func nothing() {}

// page is a page's head: the first of a block names it.
func (b *builder) page(n int, flags uint64) *builder {
	b.u64(uint64(n)*4096 | flags)
	if flags&0x20 == 0 {
		b.name("pc.ram")
	}
	return b
}

func (b *builder) end(description string) []byte {
	b.u8(0)
	if description != "" {
		b.u8(6).u32(uint32(len(description))).raw(description)
	}
	return b.b
}

func compressed(page []byte) string {
	var to bytes.Buffer
	z := zlib.NewWriter(&to)
	_, _ = z.Write(page)
	_ = z.Close()
	return to.String()
}

const noDevices = `{"page_size": 4096, "devices": []}`

// tiny is a stream of a machine with one page of RAM and one device.
func tiny() []byte {
	b := build().machine("tiny")
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.section(4, 3, "lamp", 1, func() { b.u8(1).u32(7).u8(5).name("lamp/colour").u32(2).u16(0xbeef) })
	return b.end(strings.ReplaceAll(tinyDescription, "\n", " "))
}

const tinyDescription = `{"page_size": 4096, "devices": [{"name": "lamp", "instance_id": 0, "vmsd_name": "lamp", "version": 1,
"fields": [{"name": "on", "type": "bool", "size": 1}, {"name": "hours", "type": "uint32", "size": 4}],
"subsections": [{"vmsd_name": "lamp/colour", "version": 2, "fields": [{"name": "colour", "type": "uint16", "size": 2}]}]}]}`
