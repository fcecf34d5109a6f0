package qtest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/internal/eventlog"
	"github.com/drover-vm/drover/protocol/transcript"
)

// Options says how a session behaves. The zero value is a good start.
type Options struct {
	// EventLog is how many IRQ changes are kept for readers that come late;
	// 0 means 4096.
	EventLog int

	// Trace sees every line, in the order in which it went over the wire, a
	// request always before its reply. It is called by one goroutine at a time
	// and holds up the session while it runs. The Data is valid during the call only.
	Trace func(transcript.Message)

	// Explain is called once, by the session, when the connection ends without
	// Close. What it returns is the Cause that every caller gets, unless it is nil; a
	// launcher adds there how QEMU exited and the end of its output. Callers wait for it
	// as long as their contexts do, and Close waits for it too.
	Explain func(error) error

	// Machine answers what only QMP knows. The zero Machine is right for
	// ports and memory of a machine that has a CPU.
	Machine Machine
}

// A Session is a conversation with one qtest server. All methods may be called
// from many goroutines.
type Session struct {
	conn  net.Conn
	o     Options
	calls sync.Pool // of *call
	irqs  *eventlog.Log[IRQ]
	done  chan struct{} // closed when both goroutines have ended and err is set
	order byteOrder
	cpu   atomic.Bool // the machine is known to have a CPU

	misled *call // whose reply was nonsense; only for the reading goroutine

	trace sync.Mutex // held around Options.Trace

	mu      sync.Mutex
	out     []byte        // requests that nobody has started to write
	queue   fifo          // requests whose replies are to come, in order
	kick    chan struct{} // holds a token when there is something to write
	room    chan struct{} // closed when out or queue has shrunk; nil where nobody waits
	closing bool          // Close has been called
	broken  error         // why writing failed
	err     error         // why the session ended
}

// New starts a session on conn, which it owns from then on: [Session.Close] closes it.
// Nothing is sent: a qtest server says nothing by itself, so a peer that is
// not there shows at the first request.
func New(conn net.Conn, o Options) *Session {
	s := &Session{
		conn: conn,
		o:    o,
		irqs: eventlog.New[IRQ](o.EventLog),
		done: make(chan struct{}),
		kick: make(chan struct{}, 1),
	}
	written := make(chan struct{})
	go func() { defer close(written); s.write() }()
	go s.read(written)
	return s
}

// Close ends the session, closes the connection and returns when both its
// goroutines have ended. QEMU goes on running. A second Close does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	first := !s.closing && s.err == nil
	s.closing = true
	s.mu.Unlock()
	var err error
	if first {
		err = s.conn.Close()
	}
	<-s.done
	return err
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, a *ClosedError, or nil while it goes on.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// How much may wait to be written, and to be answered. Calls bound themselves;
// this bounds what many of them, abandoned one after the other while QEMU
// hangs, leave behind.
const (
	maxOut   = 1 << 20 // bytes
	maxQueue = 1 << 14 // requests
)

// enqueue puts n requests of the call, from index first on, into the queue, as
// soon as there is room.
func (s *Session) enqueue(ctx context.Context, c *call, first, n int, encode func(b []byte, index int) []byte) error {
	if ctx.Err() != nil {
		return ended.By(ctx)
	}
	for {
		room, err := s.tryEnqueue(c, first, n, encode)
		if err != nil || room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ended.By(ctx)
		}
	}
}

// tryEnqueue returns nil, or a channel that is closed when it is worth another try.
func (s *Session) tryEnqueue(c *call, first, n int, encode func(b []byte, index int) []byte) (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if len(s.out) >= maxOut || s.queue.len() >= maxQueue {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room, nil
	}
	c.add(n)
	for i := first; i < first+n; i++ {
		start := len(s.out)
		s.out = encode(s.out, i)
		s.queue.push(waiter{c, i})
		s.traceLine(transcript.Sent, s.out[start:len(s.out)-1])
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return nil, nil
}

// madeRoom wakes the callers that wait in enqueue. s.mu is held.
func (s *Session) madeRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// write is the goroutine that alone writes to the connection. So a caller can
// leave at any time without tearing a request in two, and never waits here
// while replies pile up unread on the other side.
func (s *Session) write() {
	var buf []byte
	for range s.kick {
		s.mu.Lock()
		ended := s.err != nil
		buf, s.out = s.out, buf[:0]
		s.madeRoom()
		s.mu.Unlock()
		if ended {
			return
		}
		if _, err := s.conn.Write(buf); err != nil {
			s.mu.Lock()
			s.broken = err
			s.mu.Unlock()
			s.conn.Close() // ends the reader, which ends all waits
			return
		}
	}
}

// read is the goroutine that alone reads from the connection: replies and IRQ
// lines part ways here and nowhere else.
func (s *Session) read(written <-chan struct{}) {
	err := s.readLines()
	s.mu.Lock()
	closing := s.closing
	if s.broken != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)) {
		err = s.broken // what was read is only that the writer closed the connection
	}
	s.mu.Unlock()
	s.conn.Close()
	switch {
	case closing:
		err = net.ErrClosed
	case s.o.Explain != nil:
		err = cmp.Or(s.o.Explain(err), err)
	}
	s.end(&ClosedError{Cause: err})
	<-written
	close(s.done)
}

// end fails everything that waits.
func (s *Session) end(err error) {
	s.mu.Lock()
	s.err = err
	s.madeRoom()
	if s.misled != nil {
		s.misled.fail(err)
	}
	for s.queue.len() > 0 {
		s.queue.pop().call.fail(err)
	}
	select {
	case s.kick <- struct{}{}: // the writer sees err and ends
	default:
	}
	s.mu.Unlock()
	s.irqs.End(err)
}

func (s *Session) readLines() error {
	lines := lineReader{from: s.conn}
	for {
		line, err := lines.next()
		if err != nil {
			return err
		}
		s.traceLine(transcript.Received, line)
		if err := s.dispatch(line); err != nil {
			return err
		}
	}
}

func (s *Session) dispatch(line []byte) error {
	r, err := parseReply(line)
	if err != nil {
		return err
	}
	if r.status == statusIRQ {
		irq, err := parseIRQ(r.text)
		if err != nil {
			return nonsense(line, err.Error())
		}
		s.irqs.Append(func(at Mark) IRQ { irq.Place = at; irq.Time = time.Now(); return irq })
		return nil
	}
	s.mu.Lock()
	if s.queue.len() == 0 {
		s.mu.Unlock()
		return nonsense(line, "a reply where nothing was asked")
	}
	w := s.queue.pop()
	if s.queue.len() < maxQueue/2 {
		s.madeRoom()
	}
	s.mu.Unlock()
	if err := w.call.deliver(w.index, r); err != nil {
		s.misled = w.call
		return err
	}
	return nil
}

func (s *Session) traceLine(d transcript.Direction, line []byte) {
	if s.o.Trace == nil {
		return
	}
	s.trace.Lock()
	defer s.trace.Unlock()
	s.o.Trace(transcript.Message{Time: time.Now(), Direction: d, Data: line})
}

var _ io.Closer = (*Session)(nil)

// A waiter is one request whose reply has not come.
type waiter struct {
	call  *call
	index int
}

// A fifo is a queue that reuses its memory.
type fifo struct {
	items []waiter
	head  int
}

func (q *fifo) len() int { return len(q.items) - q.head }

func (q *fifo) push(w waiter) {
	if len(q.items) == cap(q.items) && q.head > 0 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, w)
}

func (q *fifo) pop() waiter {
	w := q.items[q.head]
	q.items[q.head] = waiter{}
	q.head++
	return w
}
