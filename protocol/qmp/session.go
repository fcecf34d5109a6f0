package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
	"github.com/drover-vm/drover/protocol/transcript"
)

// Bounds where Options says nothing.
const (
	DefaultEventLog   = eventlog.DefaultBound
	DefaultMaxMessage = 64 << 20
)

// Options say how a session behaves. The zero value is a good start.
type Options struct {
	// EventLog is how many events are kept for readers that come late; 0 means
	// DefaultEventLog.
	EventLog int
	// MaxMessage is how long one message may be, in bytes; 0 means
	// DefaultMaxMessage. A longer one ends the session.
	MaxMessage int
	// NoOOB declines out-of-band execution where the monitor offers it.
	NoOOB bool
	// Trace sees every message, in the order in which it went over the wire. It
	// is called by one goroutine at a time, and holds up the session while it
	// runs. The data is valid during the call only.
	Trace func(transcript.Message)
	// Explain is called once, when the stream ends without Close. What it
	// returns is the Cause that every caller gets: who started the QEMU adds
	// there how it ended.
	Explain func(error) error
	// Check, where set, sees each command before it is sent, and keeps it from
	// being sent with an error.
	Check func(command string, arguments json.RawMessage) error
}

// A Version is QEMU's, as it greets with it.
type Version struct {
	Major, Minor, Micro int
	Package             string // the distribution's, may be empty
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// A Greeting is what a monitor says first.
type Greeting struct {
	Version      Version
	Capabilities []string
}

// A Session is a conversation with one monitor. All methods may be called by
// many goroutines at once.
type Session struct {
	conn     net.Conn
	options  Options
	events   *eventlog.Log[Event]
	greeting Greeting
	oob      bool
	inBand   chan struct{} // a token for each in-band command that may be in flight

	greeted chan struct{} // closed when the greeting has come
	done    chan struct{} // closed when both goroutines have ended

	tracing sync.Mutex

	mu      sync.Mutex
	last    uint64 // id
	pending map[uint64]*call
	queue   []outgoing
	kick    chan struct{} // holds a token while the queue may have something
	closing bool
	broken  error // why writing failed
	err     error // why the session ended; set before done is closed
}

// maxInBand is how many in-band commands a monitor takes before it stops
// reading, and out-of-band commands with it (QMP_REQ_QUEUE_LEN_MAX in QEMU).
const maxInBand = 8

// New starts a session on a connection to a monitor, and returns when the
// monitor has greeted and its capabilities are agreed on. It owns conn from
// then on, and closes it where it returns an error.
//
// A monitor that serves somebody else accepts a connection and says nothing:
// bound the wait with ctx.
func New(ctx context.Context, conn net.Conn, o Options) (*Session, error) {
	s := open(conn, o)
	if err := s.handshake(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// open starts the two goroutines that a session has.
func open(conn net.Conn, o Options) *Session {
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	s := &Session{
		conn:    conn,
		options: o,
		events:  eventlog.New[Event](o.EventLog),
		inBand:  make(chan struct{}, maxInBand),
		greeted: make(chan struct{}),
		done:    make(chan struct{}),
		pending: map[uint64]*call{},
		kick:    make(chan struct{}, 1),
	}
	written := make(chan struct{})
	ended := make(chan struct{})
	go func() { defer close(written); s.write(ended) }()
	go func() {
		err := s.read()
		_ = conn.Close() // wakes a writer that the peer keeps waiting
		close(ended)
		<-written
		s.finish(err)
	}()
	return s
}

// ErrSilent says that a monitor accepted the connection and did not greet.
var ErrSilent = errors.New("the monitor does not greet; most likely somebody else is connected to it, for it serves one at a time")

func (s *Session) handshake(ctx context.Context) error {
	select {
	case <-s.greeted:
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("qmp: %w: %w", ErrSilent, context.Cause(ctx))
	}
	var arguments any
	if s.oob = slices.Contains(s.greeting.Capabilities, "oob") && !s.options.NoOOB; s.oob {
		arguments = map[string][]string{"enable": {"oob"}}
	}
	return s.Execute(ctx, "qmp_capabilities", arguments, nil)
}

// Greeting returns what the monitor said first.
func (s *Session) Greeting() Greeting { return s.greeting }

// OOB says whether out-of-band execution was agreed on.
func (s *Session) OOB() bool { return s.oob }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns the *ClosedError of a session that has ended, else nil.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the session, closes the connection, and returns when its
// goroutines have ended. QEMU goes on running. It always returns nil.
func (s *Session) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	_ = s.conn.Close()
	<-s.done
	return nil
}

// finish tells all who wait, once, that the session has ended and why.
func (s *Session) finish(cause error) {
	s.mu.Lock()
	closing := s.closing
	if s.broken != nil {
		cause = s.broken
	}
	s.mu.Unlock()
	switch {
	case closing:
		cause = net.ErrClosed
	case s.options.Explain != nil:
		cause = s.options.Explain(cause)
	}
	s.mu.Lock()
	s.err = &ClosedError{Cause: cause}
	for _, o := range s.queue {
		closeAll(o.files)
	}
	s.pending, s.queue = nil, nil
	s.mu.Unlock()
	s.events.End(s.err)
	close(s.done)
}

// read is the one place where replies and events part ways.
func (s *Session) read() error {
	split := splitter{from: s.conn, max: s.options.MaxMessage}
	for {
		value, err := split.value()
		if err != nil {
			return err
		}
		s.trace(transcript.Received, value)
		m, err := parse(value)
		if err == nil {
			err = s.dispatch(m)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Session) dispatch(m message) error {
	switch {
	case m.QMP != nil:
		return s.greet(m)
	case m.Event != nil:
		event, err := m.event()
		if err == nil {
			s.events.Append(event)
		}
		return err
	default:
		return s.deliver(m)
	}
}

func (s *Session) greet(m message) error {
	select {
	case <-s.greeted:
		return &ProtocolError{Problem: "the monitor greets a second time"}
	default:
	}
	var g struct {
		Version struct {
			QEMU    struct{ Major, Minor, Micro int }
			Package string
		}
		Capabilities []string
	}
	if err := json.Unmarshal(m.QMP, &g); err != nil {
		return &ProtocolError{Problem: "the greeting can't be read: " + err.Error(), Data: excerpt(m.QMP)}
	}
	v := g.Version
	s.greeting = Greeting{Version{v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro, v.Package}, g.Capabilities}
	close(s.greeted)
	return nil
}

func (s *Session) trace(d transcript.Direction, data []byte) {
	if s.options.Trace == nil {
		return
	}
	s.tracing.Lock()
	defer s.tracing.Unlock()
	s.options.Trace(transcript.Message{Time: time.Now(), Direction: d, Data: data})
}

// outgoing is a command on its way, with the descriptors that go beside it.
type outgoing struct {
	data  []byte
	files []*os.File
}
