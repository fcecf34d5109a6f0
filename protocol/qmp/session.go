package qmp

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/internal/eventlog"
	"github.com/drover-vm/drover/protocol/transcript"
)

// A Session is a conversation with one monitor, or one guest agent. All methods
// may be called by many goroutines at once. It has two goroutines of its own,
// which end with it: see Close.
type Session struct {
	conn     net.Conn
	options  Options
	events   *eventlog.Log[Event]
	greeting Greeting
	oob      bool

	greeted chan struct{} // closed when the peer has greeted, or an agent is in step
	done    chan struct{} // closed when both goroutines have ended

	tracing sync.Mutex

	slots   chan struct{} // holds a token for each in-band command in flight
	kick    chan struct{} // holds a token while the queue may have something
	mu      sync.Mutex
	last    uint64           // id given
	pending map[uint64]*call // by id; nil when the session has ended
	queue   []*call          // not yet written, in order
	closing bool
	broken  error // why writing failed
	cause   error // why reading ended
	err     error // why the session ended; set before done is closed
}

// New starts a session on a connection to a monitor, and returns when the
// monitor has greeted and its capabilities are agreed on. It owns conn from
// then on, and closes it where it returns an error.
//
// A monitor that serves somebody else accepts a connection and says nothing:
// bound the wait with ctx. The error is then ErrSilent.
func New(ctx context.Context, conn net.Conn, o Options) (*Session, error) {
	s := open(conn, o)
	go s.run(s.read)
	if err := s.handshake(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func open(conn net.Conn, o Options) *Session {
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	s := &Session{
		conn:    conn,
		options: o,
		events:  eventlog.New[Event](o.EventLog),
		greeted: make(chan struct{}),
		done:    make(chan struct{}),
		slots:   make(chan struct{}, maxInBand),
		kick:    make(chan struct{}, 1),
		pending: map[uint64]*call{},
	}
	s.events.Weigh(o.MaxMessage, func(e Event) int { return len(e.Name) + len(e.Data) })
	return s
}

func (s *Session) handshake(ctx context.Context) error {
	select {
	case <-s.greeted:
	case <-s.done:
		return s.early(s.err)
	case <-ctx.Done():
		return fmt.Errorf("qmp: %w: %w", ErrSilent, ended.By(ctx))
	}
	var enable json.RawMessage
	if s.oob = slices.Contains(s.greeting.Capabilities, "oob") && !s.options.NoOOB; s.oob {
		enable = json.RawMessage(`{"enable": ["oob"]}`)
	}
	return s.execute(ctx, newCall("execute", "qmp_capabilities", enable), nil)
}

// Greeting returns the monitor's greeting. An agent has none.
func (s *Session) Greeting() Greeting { return s.greeting }

// OOB reports whether out-of-band execution was agreed on.
func (s *Session) OOB() bool { return s.oob }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns the *ClosedError of a session that has ended, nil while it goes on.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the session, closes the connection, and returns when its
// goroutines have ended. QEMU goes on running. It always returns nil, and may be
// called again.
func (s *Session) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	_ = s.conn.Close()
	<-s.done
	return nil
}

// run reads and writes until the stream ends, then ends all waits, once.
func (s *Session) run(read func(*splitter) error) {
	var writer sync.WaitGroup
	ended := make(chan struct{})
	writer.Go(func() { s.write(ended) })
	err := read(&splitter{from: s.conn, max: s.options.MaxMessage})
	_ = s.conn.Close() // wakes a writer that the peer keeps waiting
	close(ended)
	writer.Wait()

	s.err = &ClosedError{Cause: s.explain(err)}
	s.mu.Lock()
	for _, c := range s.queue {
		closeAll(c.files)
	}
	s.pending, s.queue = nil, nil
	s.mu.Unlock()
	close(s.done) // before anyone is woken, who may then ask Err
	s.events.End(s.err)
}

// explain finds out why the stream ended.
func (s *Session) explain(cause error) error {
	s.mu.Lock()
	closing := s.closing
	s.cause = cause
	if s.broken != nil {
		cause = s.broken
	}
	s.mu.Unlock()
	if closing {
		return net.ErrClosed
	}
	if s.options.Explain != nil {
		if explained := s.options.Explain(cause); explained != nil {
			return explained
		}
	}
	return cause
}

// read is the one place where replies and events part ways.
func (s *Session) read(split *splitter) error {
	for {
		m, err := s.receive(split)
		if err != nil {
			return err
		}
		switch {
		case m.qmp != nil:
			err = s.greet(m)
		case m.event != nil:
			var event Event
			if event, err = m.readEvent(); err == nil {
				s.events.Append(func(place Mark) Event { event.Place = place; return event })
			}
		default:
			s.deliver(m)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Session) receive(split *splitter) (message, error) {
	value, err := split.value()
	if err != nil {
		return message{}, err
	}
	s.trace(transcript.Received, value)
	return parse(value)
}

func (s *Session) greet(m message) error {
	select {
	case <-s.greeted:
		return &ProtocolError{Problem: "the peer greets out of place", Data: excerpt(m.qmp)}
	default:
	}
	var err error
	if s.greeting, err = m.greeting(); err == nil {
		close(s.greeted)
	}
	return err
}

func (s *Session) trace(d transcript.Direction, data []byte) {
	if s.options.Trace == nil {
		return
	}
	s.tracing.Lock()
	defer s.tracing.Unlock()
	s.options.Trace(transcript.Message{Time: time.Now(), Direction: d, Data: data})
}
