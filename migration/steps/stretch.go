package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/protocol/qtest"
)

// patterns is how many there are.
const patterns = 4

// A stretch is a number of pages in a row, above the workload's, and what they hold in each
// pattern: 0 for a page of zeros, else what its bytes are.
type stretch struct {
	at   uint64
	kind stretchKind
	hold [patterns]byte
}

// A stretchKind is how a page holds its value.
type stretchKind int

const (
	fullPages   stretchKind = iota // in all its bytes
	singleBytes                    // in one byte, each page in another; the rest is zero
	nearlySame                     // in a few bytes; the rest isn't zero, and always the same
	longRun                        // in 128 to 4027 of its bytes, in a row; the rest is as in nearlySame
	eachEighth                     // in every eighth byte; the rest is as in nearlySame
	random                         // in what random numbers begin with
	words                          // in the text that it is a part of, which is long to compress well
)

// stretchPages is how many pages are in a stretch: enough for several packets of a multifd
// channel.
const stretchPages = 512

// stretches are all, in RAM that begins at an address.
func stretches(ramStart uint64) []stretch {
	const first, apart = 110 << 20, stretchPages * ram.PageSize
	all := []stretch{
		{hold: [patterns]byte{0, 0x11, 0, 0}},
		{hold: [patterns]byte{0x12, 0, 0x22, 0x22}},
		{hold: [patterns]byte{0, 0x33, 0, 0x34}},
		{hold: [patterns]byte{0x12, 0, 0x44, 0}},
		{hold: [patterns]byte{0x55, 0x55, 0x56, 0}},
		{hold: [patterns]byte{0x66, 0x66, 0x66, 0}},
		{hold: [patterns]byte{0, 0, 0, 0x77}},
		{kind: singleBytes, hold: [patterns]byte{0x81, 0x81, 0x81, 0x81}},
		{kind: singleBytes, hold: [patterns]byte{0, 0, 0x82, 0x82}},
		{kind: singleBytes, hold: [patterns]byte{0x83, 0x83, 0, 0x84}},
		{kind: nearlySame, hold: [patterns]byte{0, 0x91, 0, 0x92}},
		{kind: nearlySame, hold: [patterns]byte{0xa1, 0xa2, 0xa3, 0xa2}}, // back to what was sent before the last
	}
	for i := range all {
		all[i].at = ramStart + uint64(first+i*apart)
	}
	const below = 102 << 20
	for i, s := range []stretch{
		{kind: random, hold: [patterns]byte{0xb1, 0xb2, 0xb3, 0xb2}}, // back to what is still in a cache that was not told of the last
		{kind: longRun, hold: [patterns]byte{0xc1, 0xc2, 0xc3, 0xc2}},
		{kind: eachEighth, hold: [patterns]byte{0xd1, 0xd2, 0xd3, 0}},
		{kind: words, hold: [patterns]byte{0xe1, 0xe2, 0xe2, 0}},
	} {
		s.at = ramStart + uint64(below+i*apart)
		all = slices.Insert(all, i, s)
	}
	return all
}

// singleAt is where the n-th page has its only byte: first where a search for it may
// begin, end, or change its way, then everywhere.
func singleAt(n int) int {
	edges := []int{0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 2047, 2048, 4032, 4094, 4095}
	if n < len(edges) {
		return edges[n]
	}
	return n * 37 % ram.PageSize
}

// page is the n-th of the stretch's pages, in a pattern.
func (s stretch) page(n, pattern int) []byte {
	page := make([]byte, ram.PageSize)
	value := s.hold[pattern]
	switch {
	case value == 0:
		return page
	case s.kind == singleBytes:
		page[singleAt(n)] = value
		return page
	case s.kind == fullPages:
		copy(page, bytes.Repeat([]byte{value}, len(page)))
	case s.kind == random:
		_, _ = rand.NewChaCha8([32]byte{value, byte(n), byte(n >> 8)}).Read(page) // never fails
	case s.kind == words:
		from, many := rand.New(rand.NewPCG(uint64(value), uint64(n))), manyWords()
		for i := 0; i < len(page); i += copy(page[i:], many[from.IntN(len(many))]) {
		}
	default:
		copy(page, countedUp)
	}
	switch s.kind {
	case nearlySame:
		copy(page[1024:1040], bytes.Repeat([]byte{value}, 16))
	case longRun:
		copy(page[16:], bytes.Repeat([]byte{value}, 128+n*37%3900))
	case eachEighth:
		for i := 4; i < len(page); i += 8 {
			page[i] = value
		}
	}
	page[0], page[1] = byte(n), byte(n>>8) // no two pages are the same
	return page
}

// countedUp is a page whose bytes count up.
var countedUp = func() []byte {
	page := make([]byte, ram.PageSize)
	for i := range page {
		page[i] = byte(i)
	}
	return page
}()

// manyWords are those that pages of text are made of, six bytes each.
var manyWords = sync.OnceValue(func() [][]byte {
	words := make([][]byte, 500)
	for n := range words {
		words[n] = binary.BigEndian.AppendUint64(nil, rand.NewPCG(0, uint64(n)).Uint64())[:6]
	}
	return words
})

// bulk is the byte that nearly all of the stretch holds in a pattern, where there is one.
func (s stretch) bulk(pattern int) (value byte, ok bool) {
	switch {
	case s.hold[pattern] == 0, s.kind == singleBytes:
		return 0, true
	case s.kind == fullPages:
		return s.hold[pattern], true
	}
	return 0, false
}

// write writes what the stretch holds in a pattern to a guest's memory.
func (s stretch) write(ctx context.Context, to *qtest.Session, pattern int) error {
	bulk, ok := s.bulk(pattern)
	if !ok {
		return to.WriteMemory(ctx, s.at, s.pages(pattern))
	}
	if err := to.Memset(ctx, s.at, stretchPages*ram.PageSize, bulk); err != nil || s.hold[pattern] == 0 {
		return err
	}
	batch, written := to.Batch(), []*qtest.Result[struct{}]{}
	for n := range stretchPages {
		page := s.page(n, pattern)
		isOther := func(b byte) bool { return b != bulk }
		first, last := slices.IndexFunc(page, isOther), len(page)
		for !isOther(page[last-1]) {
			last--
		}
		written = append(written, batch.WriteMemory(s.at+uint64(n*ram.PageSize+first), page[first:last]))
	}
	if err := batch.Do(ctx); err != nil {
		return err
	}
	for _, r := range written {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func (s stretch) pages(pattern int) []byte {
	var all bytes.Buffer
	for n := range stretchPages {
		all.Write(s.page(n, pattern))
	}
	return all.Bytes()
}

// heldBefore is what the stretch held in the patterns before the last, at most two.
func (s stretch) heldBefore(written []int) string {
	switch earlier := written[:len(written)-1]; len(earlier) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", which held %#x before", s.hold[earlier[0]])
	default:
		last := earlier[len(earlier)-2:]
		return fmt.Sprintf(", which held %#x and %#x before", s.hold[last[0]], s.hold[last[1]])
	}
}
