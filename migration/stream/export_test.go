package stream

import (
	"bytes"
	"io"
)

// Work is what was done beside taking each byte of a stream once, in bytes.
type Work struct{ Read, Moved, Searched int64 }

// All is the sum of it.
func (w Work) All() int64 { return w.Read + w.Moved + w.Searched }

// ReadWork is Read, and what that took.
func ReadWork(r io.Reader, o Options) (*Stream, Work, error) {
	p := newParser(o)
	s, err := p.readFrom(r)
	return s, Work{p.work.read, p.work.moved, p.work.searched}, err
}

// ReadFileWork is ReadFile, and what that took.
func ReadFileWork(b []byte, o Options) (*Stream, Work, error) {
	p := newParser(o)
	s, err := p.readFile(bytes.NewReader(b), int64(len(b)))
	return s, Work{p.work.read, p.work.moved, p.work.searched}, err
}

// ZerosAtEnd is zerosAtEnd.
func ZerosAtEnd(f io.ReaderAt, from, size int64) int64 { return zerosAtEnd(f, from, size) }
