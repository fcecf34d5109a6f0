package stream

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// A PageKind is how a page was sent.
type PageKind int

const (
	ZeroPage       PageKind = iota // all its bytes are the same
	NormalPage                     // as it is
	XBZRLEPage                     // what has changed since it was sent before
	CompressedPage                 // as it is, compressed
)

// A Page is a page as it was sent. Data is good until the function returns that was
// called with it.
type Page struct {
	Block   *Block
	Address uint64 // of its first byte, in the block
	Kind    PageKind
	Fill    byte   // of a ZeroPage: what all its bytes are
	Data    []byte // of any other, as it was sent
	Offset  int64  // of Data in the file

	size uint64
}

// Onto makes of a page, as it was before, what it is when this has arrived.
func (p Page) Onto(page []byte) error {
	if p.size > 0 && uint64(len(page)) != p.size {
		return fmt.Errorf("stream: a page has %d bytes, not %d", p.size, len(page))
	}
	switch p.Kind {
	case ZeroPage:
		for i := range page {
			page[i] = p.Fill
		}
	case NormalPage:
		copy(page, p.Data)
	case XBZRLEPage:
		return decodeXBZRLE(page, p.Data)
	case CompressedPage:
		return decompress(page, p.Data)
	}
	return nil
}

// xbzrleCoding is the byte before a page that was sent as what has changed.
const xbzrleCoding = 0x01

var errXBZRLE = errors.New("stream: an XBZRLE page goes beyond its end")

// decodeXBZRLE changes a page: so many bytes stay, so many are new, and so on; both
// numbers are LEB128, of two bytes at most (docs/xbzrle.txt in QEMU).
func decodeXBZRLE(page, data []byte) error {
	at := 0
	for len(data) > 0 {
		same, rest, ok := leb128(data)
		if at += same; !ok || at > len(page) {
			return errXBZRLE
		}
		if len(rest) == 0 {
			return nil
		}
		changed, rest, ok := leb128(rest)
		if !ok || changed == 0 || changed > len(rest) || changed > len(page)-at {
			return errXBZRLE
		}
		at += copy(page[at:], rest[:changed])
		data = rest[changed:]
	}
	return nil
}

func leb128(b []byte) (n int, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return int(b[0]), b[1:], true
	}
	if len(b) > 1 && b[1] < 0x80 {
		return int(b[0]&0x7f) | int(b[1])<<7, b[2:], true
	}
	return 0, nil, false
}

func decompress(page, data []byte) error {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err == nil {
		_, err = io.ReadFull(z, page)
	}
	if err != nil {
		return fmt.Errorf("stream: a compressed page: %w", err)
	}
	return nil
}

// A pageSet is the pages that were sent. It takes the room of those, whatever length
// a block claims.
type pageSet struct {
	parts map[uint64]*[setPart / 64]uint64
	last  *[setPart / 64]uint64
	which uint64
}

const setPart = 512 // pages

// add says whether the page is new.
func (s *pageSet) add(page uint64) bool {
	if s.last == nil || s.which != page/setPart {
		s.which = page / setPart
		if s.last = s.parts[s.which]; s.last == nil {
			if s.parts == nil {
				s.parts = map[uint64]*[setPart / 64]uint64{}
			}
			s.last = new([setPart / 64]uint64)
			s.parts[s.which] = s.last
		}
	}
	word, bit := &s.last[page%setPart/64], uint64(1)<<(page%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// scaled is the same addresses, in pages of another size.
func (s *pageSet) scaled(from, to uint64) (scaled pageSet) {
	for which, part := range s.parts {
		for i, word := range part {
			for ; word != 0; word &= word - 1 {
				page := which*setPart + uint64(i*64+bits.TrailingZeros64(word))
				scaled.add(page * from / to)
			}
		}
	}
	scaled.last, scaled.which = nil, 0
	return scaled
}

// missing is the first page below n that is not in it.
func (s *pageSet) missing(n uint64) (uint64, bool) {
	for which := uint64(0); which*setPart < n; which++ {
		part := s.parts[which]
		if part == nil {
			return which * setPart, true
		}
		for i, word := range part {
			if page := which*setPart + uint64(i*64+bits.TrailingZeros64(^word)); word != ^uint64(0) {
				return page, page < n
			}
		}
	}
	return 0, false
}
