package stream

import (
	"fmt"
	"io"
)

// A File is a stream in a file, whose pages of RAM can be read in any order, as they
// were when the stream ended. Its methods may be called at the same time, as far as
// ReadAt of the file may.
type File struct {
	*Stream
	file   io.ReaderAt
	blocks map[string]*fileBlock
	size   uint64 // of pages
}

// A fileBlock is where the file has a block's pages.
type fileBlock struct {
	*Block
	bitmap []byte               // of a block with places of its own
	last   map[uint64]filePlace // by address; of any other
}

// A filePlace is where the last that was sent of a page stands.
type filePlace struct {
	offset int64
	size   uint32
	kind   PageKind
	fill   byte
}

// OpenFile reads a stream as [ReadFile] does, and finds out where the file has each
// page of RAM. The error is an *[Error] where the stream can't be read to its end. It
// keeps a bit for each page of a mapped-ram file, and 24 bytes for each page that any
// other has; f has to stay open as long as pages are read.
//
// What [Stream.Check] finds is no error here. A stream with pages that were sent as what
// has changed since they were sent before (XBZRLE) can't be read in any order.
func OpenFile(f io.ReaderAt, size int64, o Options) (*File, error) {
	file := &File{file: f, blocks: map[string]*fileBlock{}}
	visit := o.Page
	o.Page = func(p Page) error {
		if err := file.place(p); err != nil || visit == nil {
			return err
		}
		return visit(p)
	}
	p := newParser(o)
	s, err := p.readFile(f, size)
	file.Stream, file.size = s, p.pageSize
	if err != nil {
		return nil, err
	}
	for _, b := range s.RAM.Blocks {
		if err := file.openBlock(b); err != nil {
			return nil, err
		}
	}
	return file, nil
}

func (f *File) openBlock(b *Block) error {
	known := f.blocks[b.Name]
	if known == nil {
		known = &fileBlock{Block: b}
		f.blocks[b.Name] = known
	}
	if b.Mapped == nil {
		return nil
	}
	known.bitmap = make([]byte, b.bitmapSize())
	if n, err := f.file.ReadAt(known.bitmap, b.Mapped.Bitmap); n < len(known.bitmap) {
		return &Error{Offset: b.Mapped.Bitmap + int64(n), In: "block " + b.Name, What: "reading", Err: err}
	}
	return nil
}

// place notes where a page is that was sent; of mapped-ram the bitmap is enough.
func (f *File) place(p Page) error {
	if p.Block.Mapped != nil {
		return nil
	}
	if p.Kind == XBZRLEPage {
		return fmt.Errorf("the page at %#x of block %s was sent as what has changed (XBZRLE): only the whole stream has all of it", p.Address, p.Block.Name)
	}
	b := f.blocks[p.Block.Name]
	if b == nil {
		b = &fileBlock{Block: p.Block, last: map[uint64]filePlace{}}
		f.blocks[p.Block.Name] = b
	}
	b.last[p.Address] = filePlace{p.Offset, uint32(len(p.Data)), p.Kind, p.Fill}
	return nil
}

// PageSize is that of the target's pages, in bytes: addresses are multiples of it.
func (f *File) PageSize() int { return int(f.size) }

// Has says whether the file has bytes of its own for a page. A mapped-ram file has none
// for a page that is zero, nor has any other for one whose bytes are all the same; no
// file has any for a block that is shared, or for one that it doesn't know.
func (f *File) Has(block string, address uint64) bool {
	b := f.blocks[block]
	if b == nil || address >= b.Length || address%f.size != 0 {
		return false
	}
	if b.Mapped != nil {
		return b.inBitmap(address / f.size)
	}
	place, sent := b.last[address]
	return sent && place.kind != ZeroPage
}

// inBitmap says whether the bit of a page is set, in words of a little-endian host.
func (b *fileBlock) inBitmap(page uint64) bool { return b.bitmap[page/8]>>(page%8)&1 != 0 }

// ReadPage makes of page what the page of a block was at the end of the stream: zeros
// where a mapped-ram file has none. It is an error where the file has no such block, page
// isn't as long as a page, or the page was not sent at all, as those of shared blocks
// (capability x-ignore-shared).
func (f *File) ReadPage(block string, address uint64, page []byte) error {
	b := f.blocks[block]
	switch {
	case b == nil:
		return fmt.Errorf("stream: there is no block of RAM named %q", block)
	case uint64(len(page)) != f.size:
		return fmt.Errorf("stream: a page has %d bytes, not %d", f.size, len(page))
	case address >= b.Length || address%f.size != 0:
		return fmt.Errorf("stream: no page of block %s, which has %#x bytes, begins at %#x", block, b.Length, address)
	case b.Mapped == nil:
		return f.readSent(b, address, page)
	case !b.inBitmap(address / f.size):
		clear(page)
		return nil
	}
	return f.readAt(page, b.Mapped.Pages+int64(address))
}

// readSent reads the last that was sent of a page.
func (f *File) readSent(b *fileBlock, address uint64, page []byte) error {
	place, sent := b.last[address]
	if !sent {
		return fmt.Errorf("stream: the page at %#x of block %s was not sent", address, b.Name)
	}
	if place.kind == NormalPage {
		return f.readAt(page, place.offset)
	}
	last := Page{Block: b.Block, Address: address, Kind: place.kind, Fill: place.fill, Data: make([]byte, place.size)}
	if err := f.readAt(last.Data, place.offset); err != nil {
		return err
	}
	return last.Onto(page)
}

func (f *File) readAt(b []byte, at int64) error {
	if n, err := f.file.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("stream: reading at byte %d: %w", at+int64(n), err)
	}
	return nil
}
