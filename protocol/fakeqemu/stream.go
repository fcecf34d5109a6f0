package fakeqemu

import (
	"net"
	"sync"
	"time"
)

// A stream is the sending half of a connection: a queue without bound, which a
// goroutine writes out, so that a client that doesn't read stalls nothing else.
type stream struct {
	q    *QEMU
	conn net.Conn
	once sync.Once
	over chan struct{} // closed with the connection

	mu    sync.Mutex
	queue [][]byte
	kick  chan struct{}
	last  bool // close when the queue is empty
}

func newStream(q *QEMU, conn net.Conn) *stream {
	return &stream{q: q, conn: conn, over: make(chan struct{}), kick: make(chan struct{}, 1)}
}

// send queues one message, which it keeps.
func (s *stream) send(message []byte) {
	s.mu.Lock()
	s.queue = append(s.queue, message)
	s.mu.Unlock()
	s.wake()
}

// finish closes the connection once all is sent.
func (s *stream) finish() {
	s.mu.Lock()
	s.last = true
	s.mu.Unlock()
	s.wake()
}

func (s *stream) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *stream) close() {
	s.once.Do(func() {
		close(s.over)
		s.conn.Close()
	})
}

func (s *stream) write() {
	defer s.close()
	for {
		s.mu.Lock()
		batch, last := s.queue, s.last
		s.queue = nil
		s.mu.Unlock()
		for _, m := range batch {
			if !s.deliver(m) {
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		if last {
			return
		}
		select {
		case <-s.kick:
		case <-s.over:
			return
		}
	}
}

// deliver sends one message with whatever fault is meant for it, and says
// whether the connection lives on.
func (s *stream) deliver(m []byte) bool {
	f := s.q.faultFor(s, m)
	if f == nil {
		_, err := s.conn.Write(m)
		return err == nil
	}
	if f.Hang {
		<-s.over
		return false
	}
	if !s.pause(f.Delay) {
		return false
	}
	if f.Replace != nil {
		m = f.Replace
	}
	if f.Drop {
		m = nil
	}
	m = append(append(append([]byte(nil), f.Before...), m...), f.After...)
	if f.Close {
		m = m[:min(f.Cut, len(m))]
	}
	return s.split(m, f) && !f.Close
}

// split writes m in the fault's pieces.
func (s *stream) split(m []byte, f *Fault) bool {
	for len(m) > 0 {
		n := len(m)
		if f.Split > 0 {
			n = min(f.Split, n)
		}
		if _, err := s.conn.Write(m[:n]); err != nil {
			return false
		}
		m = m[n:]
		if len(m) > 0 && !s.pause(f.Slow) {
			return false
		}
	}
	return true
}

// pause waits, and says whether the connection is still there.
func (s *stream) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.over:
		return false
	}
}
