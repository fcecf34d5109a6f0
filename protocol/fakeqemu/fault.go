package fakeqemu

import "time"

// A Fault changes one message that the fake is about to send: a greeting, a reply,
// an event, an IRQ line. Its zero value changes nothing.
type Fault struct {
	// On chooses the message; nil takes the next one. It is called with the fake
	// locked: it must not call back.
	On func(message []byte) bool

	// Times is how many messages it changes: 0 means one, -1 all there are.
	Times int

	Delay   time.Duration // wait before sending; what comes after waits too
	Split   int           // write in pieces of so many bytes
	Slow    time.Duration // wait between the pieces
	Before  []byte        // send this first: garbage, say, or an IRQ line
	After   []byte        // send this behind it
	Replace []byte        // send this instead
	Drop    bool          // send nothing of the message itself
	Close   bool          // close the connection after it,
	Cut     int           // and send only so many bytes before closing
	Hang    bool          // send neither this nor anything after it, and keep the connection open
}

// Inject injects the fault into what is sent from now on: on all connections, in the
// order in which faults were injected, at most one a message.
func (q *QEMU) Inject(f Fault) { q.inject(nil, f) }

// InjectQTest is [QEMU.Inject] for the qtest connections there are.
func (q *QEMU) InjectQTest(f Fault) {
	q.mu.Lock()
	list := append([]*stream(nil), q.testers...)
	q.mu.Unlock()
	for _, s := range list {
		q.inject(s, f)
	}
}

func (q *QEMU) inject(s *stream, f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults[s] = append(q.faults[s], &f)
}

// faultFor returns what is to happen to the message, and counts it.
func (q *QEMU) faultFor(s *stream, message []byte) *Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range [][]*Fault{q.faults[s], q.faults[nil]} {
		for _, f := range list {
			if f.Times != 0 && (f.On == nil || f.On(message)) {
				f.Times = max(f.Times-1, -1)
				return f
			}
		}
	}
	return nil
}

func (q *QEMU) monitorList() []*monitor {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]*monitor(nil), q.monitors...)
}
