package stream

import (
	"math/bits"
)

// ramName is the section's that RAM is in, and ramVersion what it has been since 2009.
const (
	ramName    = "ram"
	ramVersion = 4
)

// What the bits of an address below a page mean (RAM_SAVE_FLAG_* in migration/ram.c).
const (
	flagZero       = 0x02
	flagMemSize    = 0x04
	flagPage       = 0x08
	flagEOS        = 0x10
	flagContinue   = 0x20
	flagXBZRLE     = 0x40
	flagHook       = 0x80 // RDMA's
	flagCompressed = 0x100
	flagSync       = 0x200

	flagKinds = flagZero | flagPage | flagXBZRLE | flagCompressed
)

// RAM is what the stream says of the guest's memory.
type RAM struct {
	Total  uint64   // bytes of all blocks, as the stream says itself
	Blocks []*Block `json:",omitempty"`
	Counts          // of all blocks
	Syncs  int64    `json:",omitempty"` // marks that multifd's channels are waited for
	Mapped bool     `json:",omitempty"` // each page has a place of its own in the file
}

// Counts are pages that were sent, one as often as it was.
type Counts struct {
	Zero       int64 // of one value, mostly zero
	Normal     int64 // as they are
	XBZRLE     int64 `json:",omitempty"` // as what has changed since they were sent before
	Compressed int64 `json:",omitempty"`
}

func (c *Counts) add(kind PageKind) {
	switch kind {
	case ZeroPage:
		c.Zero++
	case NormalPage:
		c.Normal++
	case XBZRLEPage:
		c.XBZRLE++
	case CompressedPage:
		c.Compressed++
	}
}

// All is how many there are of any kind.
func (c Counts) All() int64 { return c.Zero + c.Normal + c.XBZRLE + c.Compressed }

// A Block is a piece of memory that goes by its name.
type Block struct {
	Name     string
	Length   uint64       // bytes in use
	PageSize uint64       `json:",omitempty"` // the host's, where postcopy has to know it
	Address  *uint64      `json:",omitempty"` // guest-physical, with the capability x-ignore-shared
	Mapped   *MappedBlock `json:",omitempty"`
	Counts
	Pages int64 // it has in all
	Sent  int64 // different ones, at least once

	seen pageSet
}

// maxBlocks is more than any machine has.
const maxBlocks = 1 << 16

// pagesOf is how many pages of such a size the block has.
func (b *Block) pagesOf(size uint64) int64 {
	n := b.Length / size
	if b.Length%size != 0 {
		n++
	}
	return int64(n)
}

// ram reads the payload of one section of RAM: pages, until the mark of its end.
func (p *parser) ram(s *Section) {
	if s.Version != ramVersion {
		p.fail(s.Offset, "version %d of RAM, where only %d is known,", s.Version, ramVersion)
	}
	for p.err == nil {
		at := p.offset()
		word := p.u64()
		if p.pagesFrom == "" && !p.guessed && p.err == nil {
			p.guessPageSize(word)
		}
		flags, address := word&(p.pageSize-1), word&^(p.pageSize-1)
		switch {
		case p.err != nil:
			return
		case flags == flagEOS:
			return
		case flags == flagMemSize:
			p.blockList(at, address)
		case flags == flagSync:
			p.RAM.Syncs++
		case flags&flagHook != 0:
			p.fail(at, "RAM goes over RDMA, which leaves nothing to read,")
		default:
			p.page(at, flags, address)
		}
	}
}

func (p *parser) page(at int64, flags, address uint64) {
	kind := flags & flagKinds
	if flags&^(flagKinds|flagContinue) != 0 || bits.OnesCount64(kind) != 1 {
		p.fail(at, "a page with flags %#x, which mean nothing together,", flags)
		return
	}
	if flags&flagContinue == 0 {
		name := p.next(int(p.u8()))
		if p.block = p.blocks[string(name)]; p.block == nil && p.err == nil {
			p.fail(at, "a page of block %q, which is not in the list of blocks,", name)
		}
	}
	if p.block == nil {
		p.fail(at, "a page of the same block as the one before, and there is none before,")
	}
	if p.err != nil {
		return
	}
	page := Page{Block: p.block, Address: address}
	switch kind {
	case flagZero:
		page.Kind = ZeroPage
		page.Fill = p.u8()
	case flagPage:
		page.Kind = NormalPage
		page.Offset = p.offset()
		page.Data = p.next(int(p.pageSize))
	case flagXBZRLE:
		page.Kind = XBZRLEPage
		if coding := p.u8(); p.err == nil && coding != xbzrleCoding {
			p.fail(at, "a page in the coding %#x, where only XBZRLE's %#x is known,", coding, xbzrleCoding)
		}
		page.Data, page.Offset = p.sized(at, uint64(p.u16()))
	case flagCompressed:
		page.Kind = CompressedPage
		page.Data, page.Offset = p.sized(at, uint64(p.u32()))
	}
	if p.err == nil {
		p.count(at, page)
	}
}

// sized takes what a page has been made smaller to. It may have become larger.
func (p *parser) sized(at int64, n uint64) ([]byte, int64) {
	if n > 2*p.pageSize {
		p.fail(at, "a page that takes %d bytes", n)
		return nil, 0
	}
	offset := p.offset()
	return p.next(int(n)), offset
}

func (p *parser) count(at int64, page Page) {
	b := page.Block
	b.add(page.Kind)
	p.RAM.add(page.Kind)
	if page.Address >= b.Length {
		p.problem(at, "a page at %#x of block %s, which has %#x bytes", page.Address, b.Name, b.Length)
		return
	}
	if b.seen.add(page.Address / p.pageSize) {
		b.Sent++
		if page.Kind == XBZRLEPage {
			p.problem(at, "what has changed of the page at %#x of block %s, which was not sent before", page.Address, b.Name)
		}
	}
	p.visit(at, page)
}

func (p *parser) visit(at int64, page Page) {
	if p.options.Page == nil || p.err != nil {
		return
	}
	page.size = p.pageSize
	if err := p.options.Page(page); err != nil {
		p.err = &Error{Offset: at, In: p.in, What: "a page that was not taken", Err: err}
	}
}

// blockList reads which blocks of RAM there are.
func (p *parser) blockList(at int64, total uint64) {
	if p.RAM.Blocks != nil {
		p.problem(at, "a second list of the blocks of RAM")
		p.RAM.Blocks, p.block = nil, nil
		clear(p.blocks)
	}
	p.RAM.Total, p.RAM.Mapped = total, p.mapped
	for left := total; left > 0 && p.err == nil; {
		at := p.offset()
		b := &Block{Name: p.name(), Length: p.u64()}
		switch {
		case p.err != nil:
			return
		case len(p.RAM.Blocks) == maxBlocks:
			p.fail(at, "more than %d blocks of RAM", maxBlocks)
		case b.Name == "":
			p.fail(at, "a block of RAM without a name")
		case p.blocks[b.Name] != nil:
			p.fail(at, "a second block of RAM named %q", b.Name)
		case b.Length > left:
			p.fail(at, "block %q has %#x bytes, and only %#x are left of all RAM,", b.Name, b.Length, left)
		}
		left -= b.Length
		b.Pages = b.pagesOf(p.pageSize)
		p.hugePages(b)
		if p.sharedIgnored {
			b.Address = new(p.u64())
		}
		if p.mapped {
			p.mappedHeader(b)
		}
		p.lengths |= b.Length
		p.RAM.Blocks = append(p.RAM.Blocks, b)
		p.blocks[b.Name] = b
	}
}

// hugePages reads the size of a block's pages, which is there in postcopy for those
// whose pages aren't the host's usual ones. Then the sizes that were told before are
// several, and this is one of them; anything else that may follow isn't.
func (p *parser) hugePages(b *Block) {
	if bits.OnesCount64(p.advised) < 2 {
		return
	}
	next := p.ahead(8)
	if len(next) < 8 {
		return
	}
	size := uint64(0)
	for _, c := range next[:8] {
		size = size<<8 | uint64(c)
	}
	if bits.OnesCount64(size) == 1 && size&p.advised != 0 {
		b.PageSize = p.u64()
	}
}
