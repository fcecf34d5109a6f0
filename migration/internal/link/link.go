package link

import (
	"net"
	"sync"
	"sync/atomic"
)

// A Link is one connection that somebody made to us and one that we make onwards for
// it. The zero value is not usable; New makes one, to which faults can be put before
// anything passes.
type Link struct {
	Forward *Flow // from the connection that came to the one that we dial
	Back    *Flow // from there

	gate      gate
	truncated atomic.Bool   // the forward flow is
	ended     chan struct{} // closed where nothing passes any more
	dialled   chan struct{} // closed when it has been tried

	mu    sync.Mutex
	ends  []net.Conn
	close sync.Once
}

// New returns a link that joins nothing yet.
func New() *Link {
	l := &Link{dialled: make(chan struct{}), ended: make(chan struct{})}
	l.Forward = newFlow(l, forwardBuffer)
	l.Back = newFlow(l, backBuffer)
	return l
}

// Each read and write costs QEMU's stream a wake-up of both sides. A stream goes one
// way; what comes back is small.
const (
	forwardBuffer = 1 << 20
	backBuffer    = 64 << 10
)

// Run dials, passes on what both ends send each other, and returns when both have
// sent their last byte or the link is cut. An end that closes its half of the
// connection closes the other's half, too. Where nobody takes what is sent, the
// connection is broken for the sender. Run may be called once.
func (l *Link) Run(from net.Conn, dial func() (net.Conn, error)) {
	defer l.end()
	to := l.dial(from, dial)
	if to == nil {
		close(l.Forward.done)
		close(l.Back.done)
		return
	}
	var passing sync.WaitGroup
	passing.Go(func() { l.Back.pass(from, to) })
	l.Forward.pass(to, from)
	passing.Wait()
}

// dial returns nil where the link has ended before, or nobody answers.
func (l *Link) dial(from net.Conn, dial func() (net.Conn, error)) net.Conn {
	defer close(l.dialled)
	if !l.own(from) || !l.gate.wait(l.ended) {
		return nil
	}
	to, err := dial()
	if err != nil || !l.own(to) {
		return nil
	}
	return to
}

// Dialled is closed when Run has dialled, or needs to no more.
func (l *Link) Dialled() <-chan struct{} { return l.dialled }

// own keeps the connection to close it, which it does at once on a link that has
// ended.
func (l *Link) own(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, c)
	if l.hasEnded() {
		_ = c.Close()
		return false
	}
	return true
}

func (l *Link) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Cut closes both connections, as a host does that ends in order.
func (l *Link) Cut() { l.end() }

// Reset breaks both connections off: on TCP their ends get a reset, and lose what
// they have not read yet. Other connections are closed.
func (l *Link) Reset() {
	l.mu.Lock()
	for _, c := range l.ends {
		if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
			_ = tcp.SetLinger(0)
		}
	}
	l.mu.Unlock()
	l.end()
}

func (l *Link) end() {
	l.close.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.ended)
		for _, c := range l.ends {
			_ = c.Close()
		}
	})
}

// Stall lets nothing pass, in either direction, until Release. A link that stalls
// before it runs does not dial either.
func (l *Link) Stall() { l.gate.shut() }

// Stalls reports whether the link does.
func (l *Link) Stalls() bool { return l.gate.isShut() != nil }

// Release lets everything pass again.
func (l *Link) Release() {
	l.gate.open()
	l.Forward.gate.open()
	l.Back.gate.open()
}

// A gate lets pass, or doesn't. The zero value is open.
type gate struct {
	mu    sync.Mutex
	opens chan struct{} // closed when the gate opens again; nil while it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens == nil {
		g.opens = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens != nil {
		close(g.opens)
		g.opens = nil
	}
}

// isShut returns nil where it is not, else what is closed when it opens.
func (g *gate) isShut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opens
}

// wait returns true once the gate is open, false where ended is closed before.
func (g *gate) wait(ended <-chan struct{}) bool {
	for {
		shut := g.isShut()
		if shut == nil {
			return true
		}
		select {
		case <-shut:
		case <-ended:
			return false
		}
	}
}
