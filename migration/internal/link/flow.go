package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// firstKept is how many of a flow's first bytes are kept.
const firstKept = 16

// A Flow is one direction of a link.
type Flow struct {
	link   *Link
	buffer int
	gate   gate
	bytes  atomic.Int64
	first  atomic.Pointer[[]byte]
	kept   []byte       // the first of what was passed on, under mu
	rate   atomic.Int64 // bytes a second; 0 is no limit
	drops  atomic.Bool
	done   chan struct{}

	mu  sync.Mutex
	aim *aim     // nil where there is no fault, or no more
	to  net.Conn // nil before anything passes
}

func newFlow(l *Link, buffer int) *Flow {
	return &Flow{link: l, buffer: buffer, done: make(chan struct{})}
}

// Bytes is how many have been passed on.
func (f *Flow) Bytes() int64 { return f.bytes.Load() }

// First returns the first bytes that were passed on, at most 16.
func (f *Flow) First() []byte {
	if first := f.first.Load(); first != nil {
		return *first
	}
	return nil
}

// mostKept is how much of what goes back Kept has at most.
const mostKept = 4 << 20

// Kept returns what was passed on, of the flow that goes back: at most the first 4 MiB. All
// says whether that is all.
func (f *Flow) Kept() (data []byte, all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.kept), int64(len(f.kept)) == f.bytes.Load()
}

func (f *Flow) keep(data []byte) {
	if f != f.link.Back {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, data[:min(len(data), mostKept-len(f.kept))]...)
}

// Done is closed when the flow's last byte has been passed on.
func (f *Flow) Done() <-chan struct{} { return f.done }

// Hold lets nothing pass in this direction until Link.Release.
func (f *Flow) Hold() { f.gate.shut() }

// Limit passes on at most so many bytes a second from now on; 0 is no limit.
func (f *Flow) Limit(bytesPerSecond int64) { f.rate.Store(bytesPerSecond) }

// Drop passes nothing on from now on, and takes and drops what still comes, as it does
// with what the other end has not taken yet.
func (f *Flow) Drop() {
	f.drops.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.to != nil {
		_ = f.to.SetWriteDeadline(time.Now())
	}
}

var errCut = errors.New("the link is cut")

// pass copies until the sender has no more.
func (f *Flow) pass(to, from net.Conn) {
	defer close(f.done)
	f.mu.Lock()
	f.to = to
	f.mu.Unlock()
	buffer := make([]byte, f.buffer)
	for {
		n, err := from.Read(buffer[:f.piece()])
		if n > 0 {
			switch failed := f.send(to, buffer[:n]); {
			case errors.Is(failed, errTruncated):
				f.swallow(to, from, buffer)
				return
			case failed != nil:
				f.link.end()
				return
			}
		}
		if err != nil {
			f.finish(to)
			return
		}
	}
}

// finish lets the other side know that nothing more comes. Where what it sent was
// lost on the way, the connection is broken for it.
func (f *Flow) finish(to net.Conn) {
	switch {
	case f.link.hasEnded(): // and how it has is not to be changed
	case f == f.link.Back && f.link.truncated.Load():
		f.link.end()
	default:
		closeWrite(to)
	}
}

// swallow ends the flow for the receiver, and goes on taking what is sent.
func (f *Flow) swallow(to, from net.Conn, buffer []byte) {
	f.link.truncated.Store(true)
	closeWrite(to)
	_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{from}, buffer)
}

// slices is into how many pieces a second is cut where the rate is limited.
const slices = 50

// piece is how much is read at once.
func (f *Flow) piece() int {
	if rate := f.rate.Load(); rate > 0 {
		return max(1, min(f.buffer, int(rate/slices)))
	}
	return f.buffer
}

// send passes on what has come, up to the fault that lies in it.
func (f *Flow) send(to net.Conn, data []byte) error {
	before, hit := f.aimed(data)
	if hit == nil {
		return f.write(to, data)
	}
	if hit.fault.Kind == Flip {
		data[before] ^= 0xff
		hit.happened()
		return f.write(to, data)
	}
	if err := f.write(to, data[:before]); err != nil {
		return err
	}
	if err := hit.fault.Kind.to(f.link); err != nil {
		hit.happened()
		return err
	}
	hit.happened()
	return f.write(to, data[before:])
}

func (f *Flow) write(to net.Conn, data []byte) error {
	if len(data) == 0 || f.drops.Load() {
		return nil
	}
	if !f.link.gate.wait(f.link.ended) || !f.gate.wait(f.link.ended) {
		return errCut
	}
	if f.bytes.Load() == 0 {
		first := append([]byte(nil), data[:min(len(data), firstKept)]...)
		f.first.Store(&first)
	}
	n, err := to.Write(data)
	f.keep(data[:n])
	f.bytes.Add(int64(n))
	if err != nil && f.drops.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	return f.slowDown(n)
}

// slowDown takes the time that n bytes take at the limited rate.
func (f *Flow) slowDown(n int) error {
	rate := f.rate.Load()
	if rate <= 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.link.ended:
		return errCut
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}
