package fakeqemu

import (
	"encoding/json"
	"net"
	"sync"
	"time"
)

// Config says what the fake pretends to be. The zero value is a good start.
type Config struct {
	Version    [3]int         // major, minor, micro; 0.0.0 means 10.0.0
	NoOOB      bool           // don't offer out-of-band execution
	NoGreeting bool           // accept and say nothing, as where somebody else has the monitor
	Memory     uint64         // bytes of guest memory from address 0 on; 0 means 128 MiB
	BigEndian  bool           // the guest's byte order
	NoCPU      bool           // a machine without CPU, as -machine none: reaching for memory crashes it
	Clock      bool           // accel=qtest: the clock commands work
	Paused     bool           // started with -S: "prelaunch" until cont
	Incoming   bool           // started with -incoming defer: "inmigrate"
	StatusTime time.Duration  // how long each status of a migration lasts; 0 means 1 ms
	Passes     int            // passes over memory that a migration takes; 0 means 2
	Devices    map[string]int // unnamed interrupt inputs by QOM path; nil means 24 at "ioapic"
}

// A QEMU is one fake process.
type QEMU struct {
	config Config
	done   chan struct{} // closed by Close, and when the fake aborts
	work   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	aborted   string
	monitors  []*monitor
	testers   []*stream
	faults    map[*stream][]*Fault
	handlers  map[string]Handler
	oob       map[string]bool
	qtest     map[string]QTestHandler
	commands  []Command
	requests  []string
	memory    memory
	ports     ports
	clock     int64
	intercept string // the QOM path of the device whose interrupts are watched
	levels    map[int]bool
	run       runState
	migration migration
}

// New starts a fake. It has no connections yet.
func New(c Config) *QEMU {
	if c.Version == [3]int{} {
		c.Version = [3]int{10, 0, 0}
	}
	if c.Memory == 0 {
		c.Memory = 128 << 20
	}
	if c.StatusTime == 0 {
		c.StatusTime = time.Millisecond
	}
	if c.Passes == 0 {
		c.Passes = 2
	}
	if c.Devices == nil {
		c.Devices = map[string]int{"ioapic": 24}
	}
	q := &QEMU{
		config:   c,
		done:     make(chan struct{}),
		faults:   map[*stream][]*Fault{},
		handlers: map[string]Handler{},
		oob:      map[string]bool{"migrate-pause": true, "migrate-recover": true, "query-yank": true},
		qtest:    map[string]QTestHandler{},
		memory:   memory{size: c.Memory, pages: map[uint64]*page{}},
		levels:   map[int]bool{},
	}
	q.run = newRunState(c)
	q.migration = newMigration()
	q.defaults()
	return q
}

// QMP returns a new connection to the monitor. The greeting is already on its way.
func (q *QEMU) QMP() net.Conn {
	client, server := net.Pipe()
	q.ServeQMP(server)
	return client
}

// QTest returns a new connection to the qtest server.
func (q *QEMU) QTest() net.Conn {
	client, server := net.Pipe()
	q.ServeQTest(server)
	return client
}

// ServeQMP speaks QMP on conn, in the background, until either side closes it.
func (q *QEMU) ServeQMP(conn net.Conn) {
	s := newStream(q, conn)
	m := &monitor{q: q, stream: s, inband: make(chan Command, inFlight-1)}
	if !q.attach(s, func() { q.monitors = append(q.monitors, m) }) {
		return
	}
	q.work.Go(s.write)
	q.work.Go(m.serve)
}

// ServeQTest speaks qtest on conn, in the background, until either side closes it.
func (q *QEMU) ServeQTest(conn net.Conn) {
	s := newStream(q, conn)
	if !q.attach(s, func() { q.testers = append(q.testers, s) }) {
		return
	}
	q.work.Go(s.write)
	q.work.Go(func() { q.serveQTest(s) })
}

// attach lets a connection in, unless the fake has ended.
func (q *QEMU) attach(s *stream, add func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		s.conn.Close()
		return false
	}
	add()
	return true
}

// Close ends the fake as SIGKILL ends a QEMU: no SHUTDOWN event, the connections
// close. It returns when all its goroutines have ended.
func (q *QEMU) Close() error {
	q.end("")
	q.work.Wait()
	return nil
}

// Config returns what the fake pretends to be, with the defaults filled in.
func (q *QEMU) Config() Config { return q.config }

// Done is closed when the fake has ended: by Close, quit or an abort.
func (q *QEMU) Done() <-chan struct{} { return q.done }

// Aborted returns why QEMU would have crashed, and "" while it wouldn't.
func (q *QEMU) Aborted() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.aborted
}

// end closes everything. The reason is "" where it is no crash.
func (q *QEMU) end(reason string) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.closed, q.aborted = true, reason
	close(q.done)
	all := append([]*stream(nil), q.testers...)
	for _, m := range q.monitors {
		all = append(all, m.stream)
	}
	q.mu.Unlock()
	for _, s := range all {
		s.close()
	}
}

// Emit sends an event on every monitor that is past its handshake. Data may be
// nil or anything that encoding/json takes.
func (q *QEMU) Emit(event string, data any) {
	q.Flood(1, event, data)
}

// Flood sends n events, each with the member "seq" counting from 0 added to data
// where data is nil and n is more than 1.
func (q *QEMU) Flood(n int, event string, data any) {
	for i := range n {
		d := data
		if data == nil && n > 1 {
			d = map[string]int{"seq": i}
		}
		line := eventLine(event, d)
		q.mu.Lock()
		for _, m := range q.monitors {
			if m.ready {
				m.stream.send(line)
			}
		}
		q.mu.Unlock()
	}
}

func eventLine(event string, data any) []byte {
	now := time.Now()
	line, err := json.Marshal(struct {
		Timestamp map[string]int64 `json:"timestamp"`
		Event     string           `json:"event"`
		Data      any              `json:"data,omitempty"`
	}{map[string]int64{"seconds": now.Unix(), "microseconds": int64(now.Nanosecond() / 1000)}, event, data})
	if err != nil {
		panic("fakeqemu: event data: " + err.Error()) // the test's own mistake
	}
	return append(line, "\r\n"...)
}
