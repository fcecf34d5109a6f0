package stream

import (
	"encoding/binary"
	"math/bits"
)

// A MappedBlock says where a file of the capability mapped-ram has a block's pages:
// page N at Pages+N*PageSize, if bit N of the bitmap is set; else the page is zero
// (docs/devel/migration/mapped-ram.rst in QEMU).
type MappedBlock struct {
	PageSize uint64 // bytes
	Bitmap   int64  // offset in the file; in words of 64 bits, of a host that is little-endian
	Pages    int64  // offset in the file
}

const mappedVersion = 1

// mappedHeader reads it. What comes next in the stream stands behind the block's pages.
func (p *parser) mappedHeader(b *Block) {
	at := p.offset()
	if p.file == nil {
		p.fail(at, "a stream with the capability mapped-ram can be read from a file only, and not from front to back,")
		return
	}
	version := p.u32()
	m := &MappedBlock{PageSize: p.u64(), Bitmap: int64(p.u64()), Pages: int64(p.u64())}
	bitmap := int64((b.Pages + 63) / 64 * 8)
	switch {
	case p.err != nil:
		return
	case version != mappedVersion:
		p.fail(at, "version %d of mapped-ram, where only %d is known,", version, mappedVersion)
	case m.PageSize != p.pageSize:
		p.fail(at, "block %q is mapped in pages of %d bytes, and the target's have %d,", b.Name, m.PageSize, p.pageSize)
	case m.Bitmap < p.offset() || m.Pages < m.Bitmap || m.Pages-m.Bitmap < bitmap || m.Pages > p.size || b.Length > uint64(p.size-m.Pages):
		p.fail(at, "block %q, of %#x bytes, should have its bitmap at byte %d and its pages at byte %d of a file that has %d: truncated,", b.Name, b.Length, m.Bitmap, m.Pages, p.size)
	}
	b.Mapped = m
	p.jump(m.Pages + int64(b.Length))
}

// mappedPages counts what is in the file, and shows it to who wants to see it.
func (p *parser) mappedPages() {
	for _, b := range p.RAM.Blocks {
		if b.Mapped == nil || p.err != nil {
			continue
		}
		p.in = "block " + b.Name
		words := make([]byte, sourceSize)
		left := (b.Pages + 63) / 64 * 8
		for page, at := int64(0), b.Mapped.Bitmap; left > 0 && p.err == nil; {
			piece := words[:min(left, sourceSize)]
			p.readAt(piece, at)
			for ; len(piece) > 0 && p.err == nil; piece = piece[8:] {
				p.mappedWord(b, page, binary.LittleEndian.Uint64(piece))
				page += 64
			}
			left -= sourceSize
			at += sourceSize
		}
		b.Sent = b.Pages
	}
}

// mappedWord takes 64 pages. The last of a block may have fewer.
func (p *parser) mappedWord(b *Block, first int64, word uint64) {
	n := min(64, b.Pages-first)
	if n < 64 && word>>n != 0 {
		p.problem(b.Mapped.Bitmap+first/8, "the bitmap of block %s has pages beyond its end", b.Name)
		word &= 1<<n - 1
	}
	here := int64(bits.OnesCount64(word))
	b.Normal += here
	b.Zero += n - here
	p.RAM.Normal += here
	p.RAM.Zero += n - here
	if p.options.Page == nil || word == 0 {
		return
	}
	lowest := int64(bits.TrailingZeros64(word))
	run := int64(bits.Len64(word)) - lowest
	data := make([]byte, run*int64(p.pageSize))
	at := b.Mapped.Pages + (first+lowest)*int64(p.pageSize)
	p.readAt(data, at)
	for i := range run {
		if word>>(lowest+i)&1 != 0 {
			from := i * int64(p.pageSize)
			p.visit(at+from, Page{
				Block: b, Address: uint64(first+lowest+i) * p.pageSize, Kind: NormalPage,
				Data: data[from : from+int64(p.pageSize)], Offset: at + from,
			})
		}
	}
}

func (p *parser) readAt(b []byte, at int64) {
	if p.err != nil {
		return
	}
	if n, err := p.file.ReadAt(b, at); n < len(b) {
		p.err = &Error{Offset: at + int64(n), In: p.in, What: "reading", Err: err}
	}
}
