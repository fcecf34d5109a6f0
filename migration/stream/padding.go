package stream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"syscall"
)

// maxZeros is how far is looked back for the last byte of a file that isn't zero.
const maxZeros = 64 << 20

// zerosAtEnd is from where on the file has nothing but zeros: its end where it has none
// there, and where there are too many to be looked at.
func zerosAtEnd(f io.ReaderAt, from, size int64) int64 {
	piece := int64(jumpSize)
	var b []byte
	for end := size; end > from; piece = sourceSize {
		if size-end >= maxZeros {
			return size
		}
		b = slices.Grow(b[:0], int(piece))[:min(piece, end-from)]
		end -= int64(len(b))
		if n, _ := f.ReadAt(b, end); n < len(b) {
			return size
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			return end + int64(n)
		}
	}
	return from
}

// trailing looks at what the file has behind the stream: how much, and whether it is
// more than zeros.
func (p *parser) trailing() {
	at := p.offset()
	p.Trailing = p.size - at
	p.TrailingZeros = p.Trailing > 0 && (at >= p.zerosFrom || p.zerosUpTo(at, p.zerosFrom))
}

// zerosUpTo says whether the file has nothing but zeros between two places. Holes of a
// file are passed over, where the system knows them.
func (p *parser) zerosUpTo(at, end int64) bool {
	b := make([]byte, sourceSize)
	for first := true; at < end; first = false {
		if !first {
			at = pastHole(p.file, at, end)
		}
		b = b[:min(int64(len(b)), end-at)]
		if n, _ := p.file.ReadAt(b, at); n < len(b) || !zeros(b) {
			return false
		}
		at += int64(len(b))
	}
	return true
}

// seekData is SEEK_DATA of lseek(2), on Linux.
const seekData = 3

// pastHole is where data begins at a place or behind it; that place where it isn't known.
func pastHole(f io.ReaderAt, at, end int64) int64 {
	s, ok := f.(io.Seeker)
	if !ok {
		return at
	}
	data, err := s.Seek(at, seekData)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return end // there is none
	case err != nil || data < at:
		return at
	}
	return min(data, end)
}
