package steps

import (
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/internal/procfs"
)

// A Relay is between the two sides. It passes on what they send each other as
// it is, and counts it: what goes over the link is so known from outside. It is also
// where a fault can be put.
type Relay struct {
	listener net.Listener

	work  sync.WaitGroup
	mu    sync.Mutex
	to    address      // where the destination listens
	links []*link.Link // one for each connection, also for some that are yet to come
	taken int          // how many have come
	spare int          // where not 0, all but this connection drop what is sent
	ended bool

	source    int      // the process whose connections are expected
	strangers []string // addresses of others that came, and were sent away
	unsure    int      // how many were taken for the source's though nobody can tell
	fault     *fault   // the one that was put there
}

// An address is one that net.Dial takes.
type address struct{ network, name string }

func (a address) dial() (net.Conn, error) { return net.Dial(a.network, a.name) }

func (r *Relay) leadsTo() address {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

// waiting is how many connections may wait to be joined. No migration makes as many.
const waiting = 1000

// accept takes one connection after another as soon as it comes, while it can be told whose
// it is, and joins them in that order.
func (r *Relay) accept() {
	came := make(chan net.Conn, waiting)
	defer close(came)
	r.work.Go(func() { r.join(came) })
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		if !r.expects(in) {
			_ = in.Close()
			continue
		}
		came <- in
	}
}

// join joins one connection after another, so that they come to the destination in the
// order in which the source makes them, but for one that a step holds back.
func (r *Relay) join(came <-chan net.Conn) {
	for in := range came {
		l := r.take()
		r.work.Go(func() { l.Run(in, func() (net.Conn, error) { return r.leadsTo().dial() }) })
		if !l.Stalls() {
			<-l.Dialled()
		}
	}
}

// connection is the link of the n-th, counted from 1, which may be yet to come.
func (r *Relay) connection(n int) *link.Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.links) < n {
		r.links = append(r.links, link.New())
		r.drop(len(r.links))
	}
	return r.links[n-1]
}

// dropAllBut has all connections but the n-th drop what is sent, also those yet to come.
func (r *Relay) dropAllBut(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare = n
	for i := range r.links {
		r.drop(i + 1)
	}
}

// drop has the n-th connection drop what is sent where it is to. The caller holds mu.
func (r *Relay) drop(n int) {
	if r.spare != 0 && r.spare != n {
		r.links[n-1].Forward.Drop()
	}
}

// take returns the link for the connection that has come.
func (r *Relay) take() *link.Link {
	r.mu.Lock()
	r.taken++
	n, ended := r.taken, r.ended
	r.mu.Unlock()
	l := r.connection(n)
	if ended {
		l.Cut()
	}
	return l
}

// connections are the links of those that have come.
func (r *Relay) connections() []*link.Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.links[:min(r.taken, len(r.links))])
}

// all are the links of connections that have come, and of those yet to come.
func (r *Relay) all() []*link.Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.links)
}

// close ends all connections. Nil is a relay that never was.
func (r *Relay) close() {
	if r == nil {
		return
	}
	_ = r.listener.Close()
	r.mu.Lock()
	r.ended = true
	for _, l := range r.links {
		l.Cut()
	}
	r.mu.Unlock()
	r.work.Wait()
}

// Sent is how many bytes were sent towards the destination.
func (r *Relay) Sent() (bytes int64) {
	for _, l := range r.connections() {
		bytes += l.Forward.Bytes()
	}
	return bytes
}

// Passed is how many bytes were sent in either direction.
func (r *Relay) Passed() (bytes int64) {
	for _, l := range r.connections() {
		bytes += l.Forward.Bytes() + l.Back.Bytes()
	}
	return bytes
}

// mostStrangers bounds how many are named.
const mostStrangers = 16

// expects reports whether a connection is the source's. Anybody on this host may come to a
// TCP port: others are sent away, and named in the record.
func (r *Relay) expects(in net.Conn) bool {
	ours, err := procfs.Owns(r.source, in)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil { // where it can't be found out, it is taken for the source's
		r.unsure++
		return true
	}
	if ours {
		return true
	}
	if len(r.strangers) < mostStrangers {
		r.strangers = append(r.strangers, in.RemoteAddr().String())
	}
	return false
}

// doubt says why some that were taken may not be the source's, "" where all are.
func (r *Relay) doubt() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsure == 0 {
		return ""
	}
	return fmt.Sprintf("%d connections to the tap were closed before drover could tell whose they were: they may be somebody else's", r.unsure)
}

// named are the strangers that came.
func (r *Relay) named() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.strangers)
}
