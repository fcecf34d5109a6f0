package migration

import (
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
	network  string // tcp or unix
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

// Tap puts a tap between the sides.
func Tap() Step {
	return Step{Name: "tap the link", Do: func(_ context.Context, p *Pair) error {
		network, to, _ := strings.Cut(p.uri, ":")
		own := map[string]string{"tcp": "127.0.0.1:0", "unix": p.path("tap.sock")}[network]
		if own == "" {
			return fmt.Errorf("a tap is for tcp and unix, and the destination listens on %s", p.uri)
		}
		l, err := net.Listen(network, own)
		if err != nil {
			return err
		}
		p.tap.close()
		p.tap = &tap{listener: l, network: network, to: to}
		p.tap.work.Go(p.tap.accept)
		p.uri = network + ":" + l.Addr().String()
		return nil
	}}
}

func (t *tap) accept() {
	for {
		in, err := t.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial(t.network, t.to)
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
		t.work.Go(func() { w.forward.pass(out, in, w.close) })
		t.work.Go(func() { w.back.pass(in, out, w.close) })
	}
}

// firstKept is how many of a connection's first bytes are kept.
const firstKept = 16

// pass copies until who sends has no more, and lets the other side know. Where
// nobody takes what is sent, the connection is broken for who sends, too.
func (f *flow) pass(to, from net.Conn, broken func()) {
	defer close(f.done)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if f.bytes.Add(int64(n)) == int64(n) {
				first := append([]byte(nil), buffer[:min(n, firstKept)]...)
				f.first.Store(&first)
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				broken()
				return
			}
		}
		if err != nil {
			_ = to.(interface{ CloseWrite() error }).CloseWrite()
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
