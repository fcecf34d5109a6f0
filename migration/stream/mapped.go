package stream

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// A MappedBlock says where a file of the capability mapped-ram has a block's pages:
// page N at Pages+N*PageSize, if bit N of the bitmap is set; else the page is zero
// (docs/devel/migration/mapped-ram.rst in QEMU).
type MappedBlock struct {
	PageSize uint64 // bytes, of the target's pages
	Bitmap   int64  // offset in the file; in words of 64 bits, of a host that is little-endian
	Pages    int64  // offset in the file
}

const mappedVersion = 1

// mappedHeader reads it. What comes next in the stream stands behind the block's pages;
// of a block that is shared, with the capability x-ignore-shared, neither is in the file,
// and both places are 0.
func (p *parser) mappedHeader(b *Block) {
	at := p.offset()
	if p.file == nil {
		p.fail(at, "a stream with the capability mapped-ram can be read from a file only, and not from front to back,")
		return
	}
	version := p.u32()
	m := &MappedBlock{PageSize: p.u64(), Bitmap: int64(p.u64()), Pages: int64(p.u64())}
	if p.err != nil {
		return
	}
	if version != mappedVersion {
		p.fail(at, "version %d of mapped-ram, where only %d is known,", version, mappedVersion)
	}
	if validPage(m.PageSize) && (!p.toldPageSize() || p.pagesFrom == byDescription) {
		p.learnPageSize(at, m.PageSize, fmt.Sprintf("block %q", b.Name))
		b.Pages = b.pagesOf(p.pageSize)
	}
	if m.PageSize != p.pageSize {
		p.fail(at, "block %q is mapped in pages of %d bytes, and the target's have %d,", b.Name, m.PageSize, p.pageSize)
	}
	if p.sharedIgnored && m.Bitmap == 0 && m.Pages == 0 {
		return
	}
	bitmap := b.bitmapSize()
	if m.Bitmap < p.offset() || m.Pages < m.Bitmap || m.Pages-m.Bitmap < bitmap || m.Pages > p.size || b.Length > uint64(p.size-m.Pages) {
		p.fail(at, "block %q, of %#x bytes, should have its bitmap at byte %d and its pages at byte %d of a file that has %d: truncated,", b.Name, b.Length, m.Bitmap, m.Pages, p.size)
	}
	if p.err == nil {
		b.Mapped = m
		p.jump(m.Pages + int64(b.Length))
	}
}

// bitmapSize is how many bytes the bitmap of a block takes, whole words of 64 bits.
func (b *Block) bitmapSize() int64 { return (b.Pages + 63) / 64 * 8 }

// mappedPages counts what is in the file, and shows it to who wants to see it.
func (p *parser) mappedPages() {
	var words, run []byte
	for _, b := range p.RAM.Blocks {
		if b.Mapped == nil || p.err != nil {
			continue
		}
		p.in = "block " + b.Name
		left := b.bitmapSize()
		for page, at := int64(0), b.Mapped.Bitmap; left > 0 && p.err == nil; {
			words = slices.Grow(words[:0], int(min(left, sourceSize)))[:min(left, sourceSize)]
			p.readAt(words, at)
			for piece := words; len(piece) > 0 && p.err == nil; piece = piece[8:] {
				run = p.mappedWord(b, page, binary.LittleEndian.Uint64(piece), run)
				page += 64
			}
			left -= sourceSize
			at += sourceSize
		}
		b.Sent = b.Pages
	}
}

// mappedWord takes 64 pages. The last of a block may have fewer. It reads them into
// data, which grows and is for the next.
func (p *parser) mappedWord(b *Block, first int64, word uint64, data []byte) []byte {
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
		return data
	}
	size := int64(p.pageSize)
	lowest := int64(bits.TrailingZeros64(word))
	run := int64(bits.Len64(word)) - lowest
	at := b.Mapped.Pages + (first+lowest)*size
	data = slices.Grow(data[:0], int(run*size))[:run*size]
	p.readAt(data, at)
	for i := range run {
		if word>>(lowest+i)&1 != 0 {
			page := data[i*size : (i+1)*size]
			p.visit(at+i*size, Page{Block: b, Address: uint64((first + lowest + i) * size), Kind: NormalPage, Data: page, Offset: at + i*size})
		}
	}
	return data
}

func (p *parser) readAt(b []byte, at int64) {
	if p.err != nil {
		return
	}
	if n, err := p.file.ReadAt(b, at); n < len(b) {
		p.err = &Error{Offset: at + int64(n), In: p.in, What: "reading", Err: err}
	}
}
