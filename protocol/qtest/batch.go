package qtest

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
)

// A Batch is a list of requests that are sent together, without waiting for
// one reply before the next goes out, each with a result and an error of its own. It is
// for one goroutine; other calls on the session may come in between.
type Batch struct {
	s     *Session
	items []item
}

// A Result is what one request of a batch came to, once [Batch.Do] has
// returned. Before that its error is ErrNotDone.
type Result[T any] struct {
	Value T
	Err   error
}

// ErrNotDone is the error of a result whose batch has not been done.
var ErrNotDone = errors.New("qtest: the batch has not been done")

// item is one request of a batch. A transfer in pieces is many.
type item struct {
	request
	data []byte // what to write, as base64 behind the request
	want want
	set  func(value uint64) // takes the number
	fill []byte             // takes the bytes
	err  *error             // the result's
	more bool               // further items have the same result
}

// Batch returns an empty batch.
func (s *Session) Batch() *Batch { return &Batch{s: s} }

// Inb adds a read of one byte from a port.
func (b *Batch) Inb(port uint16) *Result[uint8] {
	return addNumber[uint8](b, numbers("inb", uint64(port)), nil)
}

// Inw adds a read of two bytes from a port.
func (b *Batch) Inw(port uint16) *Result[uint16] {
	return addNumber[uint16](b, numbers("inw", uint64(port)), nil)
}

// Inl adds a read of four bytes from a port.
func (b *Batch) Inl(port uint16) *Result[uint32] {
	return addNumber[uint32](b, numbers("inl", uint64(port)), nil)
}

// Outb adds a write of one byte to a port.
func (b *Batch) Outb(port uint16, v uint8) *Result[struct{}] {
	return b.addPlain(numbers("outb", uint64(port), uint64(v)), nil)
}

// Outw adds a write of two bytes to a port.
func (b *Batch) Outw(port, v uint16) *Result[struct{}] {
	return b.addPlain(numbers("outw", uint64(port), uint64(v)), nil)
}

// Outl adds a write of four bytes to a port.
func (b *Batch) Outl(port uint16, v uint32) *Result[struct{}] {
	return b.addPlain(numbers("outl", uint64(port), uint64(v)), nil)
}

// Readb adds a read of a byte.
func (b *Batch) Readb(addr uint64) *Result[uint8] {
	return addNumber[uint8](b, numbers("readb", addr), checkRange("readb", addr, 1))
}

// Readw adds a read of two bytes as a number in the guest's byte order.
func (b *Batch) Readw(addr uint64) *Result[uint16] {
	return addNumber[uint16](b, numbers("readw", addr), checkRange("readw", addr, 2))
}

// Readl adds a read of four bytes as a number in the guest's byte order.
func (b *Batch) Readl(addr uint64) *Result[uint32] {
	return addNumber[uint32](b, numbers("readl", addr), checkRange("readl", addr, 4))
}

// Readq adds a read of eight bytes as a number in the guest's byte order.
func (b *Batch) Readq(addr uint64) *Result[uint64] {
	return addNumber[uint64](b, numbers("readq", addr), checkRange("readq", addr, 8))
}

// Writeb adds a write of a byte.
func (b *Batch) Writeb(addr uint64, v uint8) *Result[struct{}] {
	return b.addPlain(numbers("writeb", addr, uint64(v)), checkRange("writeb", addr, 1))
}

// Writew adds a write of a number as two bytes in the guest's byte order.
func (b *Batch) Writew(addr uint64, v uint16) *Result[struct{}] {
	return b.addPlain(numbers("writew", addr, uint64(v)), checkRange("writew", addr, 2))
}

// Writel adds a write of a number as four bytes in the guest's byte order.
func (b *Batch) Writel(addr uint64, v uint32) *Result[struct{}] {
	return b.addPlain(numbers("writel", addr, uint64(v)), checkRange("writel", addr, 4))
}

// Writeq adds a write of a number as eight bytes in the guest's byte order.
func (b *Batch) Writeq(addr, v uint64) *Result[struct{}] {
	return b.addPlain(numbers("writeq", addr, v), checkRange("writeq", addr, 8))
}

// ReadMemory adds a read that fills p, which is the batch's until it is done.
func (b *Batch) ReadMemory(addr uint64, p []byte) *Result[[]byte] {
	r := &Result[[]byte]{Value: p, Err: ErrNotDone}
	if err := checkRange("b64read", addr, uint64(len(p))); err != nil {
		r.Err = err
		return r
	}
	if len(p) == 0 {
		r.Err = nil
	}
	for at := 0; at < len(p); at += readPiece {
		part := p[at:min(at+readPiece, len(p))]
		b.items = append(b.items, item{
			request: numbers("b64read", addr+uint64(at), uint64(len(part))), fill: part, err: &r.Err, more: at+len(part) < len(p),
		})
	}
	return r
}

// WriteMemory adds a write of p, which is the batch's until it is done.
func (b *Batch) WriteMemory(addr uint64, p []byte) *Result[struct{}] {
	r := &Result[struct{}]{Err: ErrNotDone}
	if err := checkRange("b64write", addr, uint64(len(p))); err != nil {
		r.Err = err
		return r
	}
	if len(p) == 0 {
		r.Err = nil
	}
	for at := 0; at < len(p); at += writePiece {
		part := p[at:min(at+writePiece, len(p))]
		b.items = append(b.items, item{
			request: numbers("b64write", addr+uint64(at), uint64(len(part))), data: part, err: &r.Err, more: at+len(part) < len(p),
		})
	}
	return r
}

// Memset adds a fill of up to 16 MiB; [Session.Memset] does larger ones.
func (b *Batch) Memset(addr, size uint64, value byte) *Result[struct{}] {
	err := checkRange("memset", addr, size)
	if err == nil && size > fillPiece {
		err = &ArgumentError{"memset", "size", hexNumber(size), "is more than 16 MiB; add several"}
	}
	return b.addPlain(numbers("memset", addr, size, uint64(value)), err)
}

// Len returns how many requests Do will send.
func (b *Batch) Len() int { return len(b.items) }

// Do sends the requests added since the last Do, and returns when all are
// answered. Its error is that of the session or the context, which then is also that of each
// result that has not come; what QEMU or the guard refused is in the results alone.
func (b *Batch) Do(ctx context.Context) error {
	items := batchSink(b.items)
	b.items = nil
	if len(items) == 0 {
		return nil
	}
	c := b.s.take()
	c.sink = items
	var err error
	if items.touchMemory() {
		err = b.s.checkCPU(ctx, "batch")
	}
	if err == nil {
		err = b.s.run(ctx, c, len(items), batchWindow, func(p []byte, i int) []byte { return items[i].append(p) })
	}
	if err != nil {
		err = inCall("batch", err)
		for _, it := range items {
			if *it.err == ErrNotDone {
				*it.err = err
			}
		}
		return err
	}
	b.s.give(c)
	return nil
}

// batchWindow is how many requests of a batch are in flight: enough for short
// ones, and for the longest still within bounds.
const batchWindow = 32

func (it *item) append(p []byte) []byte {
	p = it.request.append(p)
	if it.data == nil {
		return p
	}
	p[len(p)-1] = ' '
	return append(base64.StdEncoding.AppendEncode(p, it.data), '\n')
}

type batchSink []item

func (s batchSink) touchMemory() bool {
	for i := range s {
		if c := s[i].command; !strings.HasPrefix(c, "in") && !strings.HasPrefix(c, "out") {
			return true
		}
	}
	return false
}

func (s batchSink) reply(index int, r reply) error {
	it := &s[index]
	if r.status != statusOK {
		if *it.err == ErrNotDone {
			*it.err = refusal(it.command, r)
		}
		return nil
	}
	if it.fill != nil {
		if !decodeBase64(it.fill, r.text) {
			return nonsense(r.text, "a reply to b64read without what was asked for")
		}
	} else {
		v, ok := it.want.parse(r.text)
		if !ok {
			return nonsense(r.text, "a reply to "+it.command+" without what was asked for")
		}
		if it.set != nil {
			it.set(v)
		}
	}
	if *it.err == ErrNotDone && !it.more {
		*it.err = nil
	}
	return nil
}

func addNumber[T uint8 | uint16 | uint32 | uint64](b *Batch, q request, err error) *Result[T] {
	r := &Result[T]{Err: ErrNotDone}
	if err != nil {
		r.Err = err
		return r
	}
	b.items = append(b.items, item{
		request: q, want: wantNumber, err: &r.Err, set: func(v uint64) { r.Value = T(v) },
	})
	return r
}

func (b *Batch) addPlain(q request, err error) *Result[struct{}] {
	r := &Result[struct{}]{Err: ErrNotDone}
	if err != nil {
		r.Err = err
		return r
	}
	b.items = append(b.items, item{request: q, err: &r.Err})
	return r
}
