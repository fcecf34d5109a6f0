package stream

import (
	"encoding/binary"
	"math/bits"
)

// A page has room for flags in its address, and a lookahead for itself. AVR's has 256
// bytes, that of sparc64 8192; most targets have one size only.
const (
	minPage     = 1 << 8
	maxPage     = 1 << 16
	defaultPage = 1 << 12
)

func validPage(size uint64) bool {
	return bits.OnesCount64(size) == 1 && minPage <= size && size <= maxPage
}

// Who tells the size of pages, beside parts of the stream.
const (
	byCaller      = "the caller"
	byDescription = "the description"
)

// learnPageSize takes what a part of the stream tells of the target's pages. The first
// that does is believed, before the caller; the description only where nothing else does,
// for no destination looks at that.
func (p *parser) learnPageSize(at int64, size uint64, by string) {
	switch {
	case p.err != nil || p.toldPageSize() && size == p.pageSize:
	case by == byDescription && (!validPage(size) || p.toldPageSize()):
		p.remark(at, "%s has pages of %d bytes, and the stream has pages of %d", by, size, p.pageSize)
	case !validPage(size):
		p.problem(at, "%s has pages of %d bytes", by, size)
	case p.toldPageSize() && p.pagesFrom != byDescription:
		p.problem(at, "%s has pages of %d bytes, and %s has pages of %d", by, size, p.pagesFrom, p.pageSize)
	default:
		p.setPageSize(size)
		p.pagesFrom = by
	}
}

// toldPageSize says whether the stream itself has told it.
func (p *parser) toldPageSize() bool { return p.pagesFrom != "" && p.pagesFrom != byCaller }

// setPageSize counts again what was counted in pages of another size.
func (p *parser) setPageSize(size uint64) {
	if size == p.pageSize {
		return
	}
	for _, b := range p.RAM.Blocks {
		b.Pages = b.pagesOf(size)
		b.seen = b.seen.scaled(p.pageSize, size)
	}
	p.pageSize = size
}

const (
	// guessOver is how many pages with bytes of their own have to follow each other so
	// that a size is believed, and guessAll how many of any kind are looked at.
	guessOver = 4
	guessAll  = 4096
)

// guessPageSize finds out what nothing has told, before the first page is read: a stream
// from front to back has its description behind the pages. It is the first size with
// which one page follows another, of the default, larger ones and smaller ones; where all
// of them are zero, the distance from one to the next.
func (p *parser) guessPageSize(word uint64) {
	if p.RAM.Blocks == nil {
		for size := p.pageSize; size >= minPage; size /= 2 {
			if word&(size-1) == flagMemSize { // all of RAM is whole pages
				p.setPageSize(size)
				return
			}
		}
		return
	}
	var first *walk // that fits
	for _, size := range p.pageSizes() {
		w := &walk{p: p, size: size}
		w.follow(word)
		if w.fits && w.normal > 0 {
			p.setPageSize(size)
			p.guessed = true
			return
		}
		if w.fits && first == nil {
			first = w
		}
	}
	if first != nil && first.pages < 2 {
		return // there may be more in the next section
	}
	p.guessed = true
	if first != nil && first.steady && validPage(first.step) && p.wholePages(first.step) {
		p.setPageSize(first.step)
	}
}

// pageSizes are those that there may be, in the order in which they are tried.
func (p *parser) pageSizes() (sizes []uint64) {
	for size := p.pageSize; size <= maxPage; size *= 2 {
		if p.wholePages(size) {
			sizes = append(sizes, size)
		}
	}
	for size := p.pageSize / 2; size >= minPage; size /= 2 {
		sizes = append(sizes, size)
	}
	return sizes
}

// wholePages says whether each block has a whole number of such pages.
func (p *parser) wholePages(size uint64) bool { return p.lengths&(size-1) == 0 }

// A walk goes over the pages that come next as if they had some size, and takes none.
type walk struct {
	p    *parser
	size uint64

	at     int  // bytes ahead
	fits   bool // each page was followed by what can follow it
	pages  int
	normal int // of these, with bytes of their own

	address uint64
	step    uint64 // from the first page to the second
	steady  bool   // and from each to the next, where there were three
}

// follow walks from a page that has begun with word.
func (w *walk) follow(word uint64) {
	for w.fits = true; w.fits && w.pages < guessAll && w.normal < guessOver; {
		flags := word & (w.size - 1)
		if flags == flagEOS {
			return
		}
		if w.fits = w.p.pageHead(word, w.size); !w.fits || flags&(flagXBZRLE|flagCompressed) != 0 {
			return // these have lengths of their own, and come behind others
		}
		if flags != flagSync {
			w.page(flags, word-flags)
		}
		b := w.ahead(8)
		if w.fits = w.fits && len(b) == 8; w.fits {
			word = binary.BigEndian.Uint64(b)
		}
	}
}

func (w *walk) page(flags, address uint64) {
	if flags&flagContinue == 0 {
		w.fits = w.known()
	} else if w.pages > 0 {
		w.stepTo(address)
	}
	w.address = address
	w.pages++
	w.at++ // what a zero page is filled with
	if flags&flagPage != 0 {
		w.at += int(w.size) - 1
		w.normal++
	}
}

// known says whether the name of a block comes next.
func (w *walk) known() bool {
	length := w.ahead(1)
	return len(length) == 1 && w.p.blocks[string(w.ahead(int(length[0])))] != nil
}

func (w *walk) stepTo(address uint64) {
	step := address - w.address
	w.steady = w.step == 0 || w.steady && step == w.step
	w.step = step
}

// ahead takes n bytes of those that are ahead, fewer where there aren't as many.
func (w *walk) ahead(n int) []byte {
	b := w.p.ahead(w.at + n)
	b = b[min(w.at, len(b)):min(w.at+n, len(b))]
	w.at += n
	return b
}

// pageHead says whether a page of such a size can begin so, or a section of pages end.
func (p *parser) pageHead(word, size uint64) bool {
	flags := word & (size - 1)
	kind := flags & flagKinds
	if flags == flagEOS || flags == flagSync {
		return true
	}
	return flags&^(flagKinds|flagContinue) == 0 && bits.OnesCount64(kind) == 1 && word-flags < p.RAM.Total
}
