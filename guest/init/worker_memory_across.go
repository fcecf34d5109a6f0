//go:build linux

package main

import "encoding/binary"

// acrossPages are words that each lie over the end of a page, whose second page nothing else
// writes: a write to it counts as one to two pages.
type acrossPages struct {
	bytes      []byte
	generation uint64
}

const acrossMiB = 1

// look holds the words against what was written last, and writes others.
func (a *acrossPages) look(w *Witness) {
	for i := range len(a.bytes) / (2 * pageSize) {
		over := a.over(i)
		if found, want := binary.LittleEndian.Uint64(over), a.word(i); found != want {
			where, _ := physicalOf(&over[4])
			w.Complain("a word over the end of a page, whose second half is at %#x, is wrong: expected %#016x, found %#016x", where, want, found)
		}
	}
	a.generation++
	for i := range len(a.bytes) / (2 * pageSize) {
		binary.LittleEndian.PutUint64(a.over(i), a.word(i))
	}
}

// over is where the word of a pair of pages is.
func (a *acrossPages) over(i int) []byte {
	at := (2*i+1)*pageSize - 4
	return a.bytes[at : at+8]
}

// word is what the word of a pair of pages is now: 0 before it was written.
func (a *acrossPages) word(i int) uint64 {
	if a.generation == 0 {
		return 0
	}
	return word(seed(i, a.generation), 0)
}
