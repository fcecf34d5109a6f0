package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// A tap stands between the two sides. It passes on what they send each other as
// it is, and counts it: what goes over the link is so known from outside.
type tap struct {
	listener net.Listener
	to       string // the destination's address

	work  sync.WaitGroup
	mu    sync.Mutex
	wires []*wire
	ended bool
}

// A wire is one connection through a tap.
type wire struct {
	ends          [2]net.Conn
	forward, back flow
}

// A flow is one direction of a wire.
type flow struct {
	bytes atomic.Int64
	first atomic.Pointer[[]byte] // the first bytes that came
	done  chan struct{}
}

// Tap puts a tap between the sides, where the destination listens on TCP.
func Tap() Step {
	return Step{"tap the link", func(_ context.Context, p *Pair) error {
		to, ok := strings.CutPrefix(p.uri, "tcp:")
		if !ok {
			return fmt.Errorf("a tap is for TCP, and the destination listens on %s", p.uri)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		p.tap.close()
		p.tap = &tap{listener: l, to: to}
		p.tap.work.Go(p.tap.accept)
		p.uri = "tcp:" + l.Addr().String()
		return nil
	}}
}

func (t *tap) accept() {
	for {
		in, err := t.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", t.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		w := &wire{ends: [2]net.Conn{in, out}, forward: flow{done: make(chan struct{})}, back: flow{done: make(chan struct{})}}
		t.mu.Lock()
		t.wires = append(t.wires, w)
		if t.ended {
			w.close()
		}
		t.mu.Unlock()
		t.work.Go(func() { w.forward.pass(out, in) })
		t.work.Go(func() { w.back.pass(in, out) })
	}
}

// firstKept is how many of a connection's first bytes are kept.
const firstKept = 16

// pass copies until who sends has no more, and lets the other side know.
func (f *flow) pass(to, from net.Conn) {
	defer close(f.done)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if f.bytes.Add(int64(n)) == int64(n) {
				first := append([]byte(nil), buffer[:min(n, firstKept)]...)
				f.first.Store(&first)
			}
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				err = cmp.Or(err, writeErr)
			}
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

func (w *wire) close() { _, _ = w.ends[0].Close(), w.ends[1].Close() }

// close ends all connections. Nil is a tap that never was.
func (t *tap) close() {
	if t == nil {
		return
	}
	_ = t.listener.Close()
	t.mu.Lock()
	t.ended = true
	for _, w := range t.wires {
		w.close()
	}
	t.mu.Unlock()
	t.work.Wait()
}

// sent is how many bytes have gone towards the destination.
func (t *tap) sent() (bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.wires {
		bytes += w.forward.bytes.Load()
	}
	return bytes
}

// drain waits until the source has sent the last byte of every connection, and
// gathers what went over each.
func (p *Pair) drain(ctx context.Context) error {
	if p.tap == nil {
		return errors.New("there is no tap on the link")
	}
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	p.tap.mu.Lock()
	wires := p.tap.wires
	p.tap.mu.Unlock()
	link := &record.LinkFacts{}
	for i, w := range wires {
		select {
		case <-w.forward.done:
		case <-ctx.Done():
			return fmt.Errorf("connection %d of the migration is still open %s after its end", i+1, releasePatience)
		}
		c := record.ConnectionFacts{Forward: w.forward.bytes.Load(), Back: w.back.bytes.Load()}
		if first := w.forward.first.Load(); first != nil {
			c.First = *first
		}
		link.Connections = append(link.Connections, c)
	}
	p.Facts.Link = link
	return nil
}

// throughput is what goes over the link towards the destination from now on, in
// bytes a second.
func (t *tap) throughput() func() float64 {
	bytes, began := t.sent(), time.Now()
	return func() float64 { return float64(t.sent()-bytes) / time.Since(began).Seconds() }
}
