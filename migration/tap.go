package migration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/record"
)

// A tap stands between the two sides. It passes on what they send each other as
// it is, and counts it: what goes over the link is so known from outside. It is also
// where a fault can be put.
type tap struct {
	listener net.Listener

	work  sync.WaitGroup
	mu    sync.Mutex
	to    address      // where the destination listens
	links []*link.Link // one for each connection, also for some that are yet to come
	taken int          // how many have come
	ended bool
	fault *fault // the one that was put there
}

// An address is one that net.Dial takes.
type address struct{ network, name string }

func (a address) dial() (net.Conn, error) { return net.Dial(a.network, a.name) }

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
		p.tap = &tap{listener: l, to: address{network, to}}
		p.tap.work.Go(p.tap.accept)
		p.uri = network + ":" + l.Addr().String()
		return nil
	}}
}

// LeadTap leads the tap that there is to where the destination listens now.
func LeadTap() Step {
	return Step{Name: "lead the tap there", Do: func(_ context.Context, p *Pair) error {
		network, to, _ := strings.Cut(p.uri, ":")
		p.tap.mu.Lock()
		p.tap.to = address{network, to}
		p.tap.mu.Unlock()
		own := p.tap.listener.Addr()
		p.uri = own.Network() + ":" + own.String()
		return nil
	}}
}

func (t *tap) leadsTo() address {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to
}

// accept joins one connection after another, so that they come to the destination in
// the order in which the source makes them, but for one that a story holds back.
func (t *tap) accept() {
	for {
		in, err := t.listener.Accept()
		if err != nil {
			return
		}
		l := t.take()
		t.work.Go(func() { l.Run(in, func() (net.Conn, error) { return t.leadsTo().dial() }) })
		if !l.Stalls() {
			<-l.Dialled()
		}
	}
}

// link is that of the n-th connection, counted from 1, which may be yet to come.
func (t *tap) link(n int) *link.Link {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.links) < n {
		t.links = append(t.links, link.New())
	}
	return t.links[n-1]
}

// take returns the link for the connection that has come.
func (t *tap) take() *link.Link {
	t.mu.Lock()
	t.taken++
	n, ended := t.taken, t.ended
	t.mu.Unlock()
	l := t.link(n)
	if ended {
		l.Cut()
	}
	return l
}

// connections are the links of those that have come.
func (t *tap) connections() []*link.Link {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.links[:min(t.taken, len(t.links))]
}

// all are the links of connections that have come, and of those yet to come.
func (t *tap) all() []*link.Link {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.links)
}

// close ends all connections. Nil is a tap that never was.
func (t *tap) close() {
	if t == nil {
		return
	}
	_ = t.listener.Close()
	t.mu.Lock()
	t.ended = true
	for _, l := range t.links {
		l.Cut()
	}
	t.mu.Unlock()
	t.work.Wait()
}

// sent is how many bytes have gone towards the destination.
func (t *tap) sent() (bytes int64) {
	for _, l := range t.connections() {
		bytes += l.Forward.Bytes()
	}
	return bytes
}

// passed is how many bytes have gone in either direction.
func (t *tap) passed() (bytes int64) {
	for _, l := range t.connections() {
		bytes += l.Forward.Bytes() + l.Back.Bytes()
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
	facts := &record.LinkFacts{}
	for i, l := range p.tap.connections() {
		select {
		case <-l.Forward.Done():
		case <-ctx.Done():
			return fmt.Errorf("connection %d of the migration is still open %s after its end", i+1, releasePatience)
		}
		facts.Connections = append(facts.Connections, record.ConnectionFacts{
			Forward: l.Forward.Bytes(), Back: l.Back.Bytes(), First: l.Forward.First(),
		})
	}
	p.Facts.Link = facts
	return nil
}

// AwaitSent waits until so many bytes have gone over the link.
func AwaitSent(bytes int64) Step {
	return Step{Name: fmt.Sprintf("await %d bytes on the link", bytes), Do: func(ctx context.Context, p *Pair) error {
		return poll(ctx, fmt.Sprintf("%d bytes to go over the link", bytes), func() (bool, error) { return p.tap.sent() >= bytes, nil })
	}}
}

// AwaitMore waits until so many more bytes have gone over the link.
func AwaitMore(bytes int64) Step {
	return Step{Name: fmt.Sprintf("await %d more bytes on the link", bytes), Do: func(ctx context.Context, p *Pair) error {
		return AwaitSent(p.tap.sent()+bytes).Do(ctx, p)
	}}
}

// AwaitLull waits until nothing has gone over the link for so long.
func AwaitLull(d time.Duration) Step {
	return Step{Name: fmt.Sprintf("await a lull of %s on the link", d), Do: func(ctx context.Context, p *Pair) error {
		bytes, since := p.tap.sent(), time.Now()
		return poll(ctx, fmt.Sprintf("a lull of %s on the link", d), func() (bool, error) {
			if now := p.tap.sent(); now != bytes {
				bytes, since = now, time.Now()
			}
			return time.Since(since) >= d, nil
		})
	}}
}
