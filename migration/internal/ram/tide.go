package ram

import (
	"bytes"
	"encoding/binary"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/record"
)

// A tide looks at pages that a program fills whole: which generation each is of, and which of
// its bytes are wrong. It takes the generation from the pages themselves; how far the program
// was, which it says in its table, tells only which page it may have been in.
type tide struct {
	generation uint32 // that pages are expected to be of, or of the one before
	sure       bool   // a page has said so
	at         uint64 // address of the page that the program was filling
	want       []byte
	order      binary.ByteOrder // of the table's words
}

func newTide(order binary.ByteOrder) *tide {
	return &tide{want: make([]byte, PageSize), order: order}
}

// table takes the program's own account.
func (t *tide) table(page []byte) {
	t.generation = t.order.Uint32(page[fixtures.TideGeneration:])
	t.at = uint64(t.order.Uint32(page[fixtures.TideAt:]))
}

// page finds out the generation of the n-th page at an address, and what is wrong in it.
func (t *tide) page(f *record.WorkloadFacts, at uint64, n uint32, page []byte) (generation uint32) {
	// One that is far from those around it is no generation, but a page whose number is wrong.
	if g, ok := fixtures.PageGeneration(page, n); ok && t.generation-g+tideTableBehind < tideLooksBack && t.is(page, n, g) {
		if !t.sure || g == t.generation-1 {
			t.generation, t.sure = g, true
		}
		return g
	}
	if at == t.at && t.mayBeUnderWay(page, n) {
		return t.generation - 1
	}
	// Pages of zeros and of one byte say little of their generation: the next that fits.
	for back := range uint32(tideLooksBack) {
		if back > t.generation {
			break
		}
		if g := t.generation - back; t.is(page, n, g) {
			if back == 1 && t.sure {
				t.generation = g
			}
			return g
		}
	}
	fixtures.FillPage(t.want, n, t.generation)
	for i := range page {
		if page[i] != t.want[i] {
			if f.WrongTotal++; len(f.Wrong) < record.MaxListed {
				f.Wrong = append(f.Wrong, record.WrongByte{Address: at + uint64(i), Expected: t.want[i], Found: page[i]})
			}
		}
	}
	return t.generation
}

// tideLooksBack is how many generations a page may be behind and still be told.
const tideLooksBack = 130

// tideTableBehind is how many generations the program's own account may be behind its pages.
const tideTableBehind = 2

func (t *tide) is(page []byte, n, generation uint32) bool {
	fixtures.FillPage(t.want, n, generation)
	return bytes.Equal(t.want, page)
}

// mayBeUnderWay says whether the page's bytes are those of its generation, of the one before,
// or what a page is filled with before its own bytes are written.
func (t *tide) mayBeUnderWay(page []byte, n uint32) bool {
	before, now := make([]byte, PageSize), t.want
	fixtures.FillPage(before, n, t.generation-1)
	fixtures.FillPage(now, n, t.generation)
	fill := now[PageSize-1]
	if now[0] == 0 && now[1] == 0 && now[2] == 0 { // one byte
		fill = 0
	}
	for i, b := range page {
		if b != now[i] && b != before[i] && b != fill {
			return false
		}
	}
	return true
}
