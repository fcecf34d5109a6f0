// Package listening serves who connects to a UNIX socket, and ends all of that at once.
package listening

import (
	"io"
	"net"
	"sync"
)

// A Server is one.
type Server struct {
	listener *net.UnixListener
	mu       sync.Mutex
	open     map[io.Closer]bool
	over     bool
	ends     sync.WaitGroup
}

// Listen has serve be called with each connection to a UNIX socket of that path, which must not be
// there yet, each in a goroutine of its own. The connection is closed when serve returns.
func Listen(path string, serve func(*Server, *net.UnixConn)) (*Server, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, open: map[io.Closer]bool{}}
	s.ends.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			s.Serve(c, func() { serve(s, c) })
		}
	})
	return s, nil
}

// Serve does something with a connection, in a goroutine of its own, and closes it then. It is
// for Listen's serve, which may come to further ones.
func (s *Server) Serve(c io.Closer, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		_ = c.Close()
		return
	}
	s.open[c] = true
	s.ends.Go(func() {
		do()
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = c.Close()
		delete(s.open, c)
	})
}

// Close disconnects all, and returns when nothing of it runs any longer.
func (s *Server) Close() {
	s.mu.Lock()
	s.over = true
	_ = s.listener.Close()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.ends.Wait()
}
