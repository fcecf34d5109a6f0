package peer

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// An Echo sends back what is sent to it by whoever connects to a UNIX socket, to each its own.
type Echo struct {
	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]bool
	over     bool
	ends     sync.WaitGroup
}

// ListenEcho makes one at a UNIX socket of that path, which must not be there yet.
func ListenEcho(path string) (*Echo, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	e := &Echo{listener: l, conns: map[net.Conn]bool{}}
	e.ends.Go(e.serve)
	return e, nil
}

func (e *Echo) serve() {
	for {
		c, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.ends.Go(func() {
			defer e.forget(c)
			if e.keep(c) {
				_, _ = io.Copy(onlyWriter{c}, onlyReader{c})
			}
		})
	}
}

func (e *Echo) keep(c net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns[c] = true
	return !e.over
}

func (e *Echo) forget(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = c.Close()
	delete(e.conns, c)
}

// Close disconnects all, and returns when nothing of it runs any longer.
func (e *Echo) Close() {
	e.mu.Lock()
	e.over = true
	_ = e.listener.Close()
	for c := range e.conns {
		_ = c.Close()
	}
	e.mu.Unlock()
	e.ends.Wait()
}

// An onlyReader has no WriteTo, which io.Copy would use: a socket spliced to itself.
type onlyReader struct{ io.Reader }
