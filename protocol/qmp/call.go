package qmp

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
)

// maxInBand is how many in-band commands are in flight at most. A monitor stops
// reading, and does not answer out of band, when eight are in its queue
// (QMP_REQ_QUEUE_LEN_MAX in QEMU), and goes on when it has executed one.
// qmp-spec allows eight because the one that is being executed is not in the
// queue; but where the main loop hangs in something else, none is being executed.
const maxInBand = 7

// A call is a command on its way to a monitor and back.
type call struct {
	command   string
	oob       bool
	data      []byte        // as it goes over the wire; the id comes with the place in the queue
	files     []*os.File    // go beside it; closed when it has been written, or never will be
	wanted    bool          // the value of the reply is, not only that it has come
	answered  chan struct{} // closed when result or failure is there
	result    json.RawMessage
	failure   json.RawMessage
	id        uint64
	sent      bool // or about to be
	abandoned bool // nobody waits for the reply any more
}

func newCall(verb, command string, arguments []byte) *call {
	return &call{
		command:  command,
		oob:      verb == "exec-oob",
		data:     encodeCommand(verb, command, arguments),
		answered: make(chan struct{}),
	}
}

// send gives a command its slot, where it needs one, its id, and its place in
// the queue. Where it returns an error the files are still the caller's to close.
func (s *Session) send(ctx context.Context, c *call) error {
	if ctx.Err() != nil {
		return cancelled(ctx, c.command)
	}
	if !c.oob {
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return cancelled(ctx, c.command)
		}
	}
	s.mu.Lock()
	if s.pending == nil {
		s.mu.Unlock()
		return s.err
	}
	s.last++
	c.id = s.last
	c.data = append(strconv.AppendUint(c.data, c.id, 10), "}\n"...)
	s.pending[c.id] = c
	s.queue = append(s.queue, c)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return nil
}

// abandon cancels the wait for a command. One that the writer has not begun is removed from the queue.
// Any other in-band command keeps its slot, for the monitor has it. A late reply is
// dropped.
func (s *Session) abandon(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue, c); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
		closeAll(c.files)
		s.forget(c)
		return
	}
	if c.oob {
		s.forget(c) // there is no bound to how many there may be
	}
	c.abandoned = true
}

// forget ends the wait for a reply. s.mu is held.
func (s *Session) forget(c *call) {
	if s.pending[c.id] == c {
		delete(s.pending, c.id)
		if !c.oob {
			<-s.slots
		}
	}
}

// deliver gives a reply to the caller that waits for it. One to a command that was never
// sent, or has been answered, is dropped: QEMU may still answer the client that was
// connected before.
func (s *Session) deliver(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.callOf(m)
	if c == nil {
		return
	}
	s.forget(c)
	c.failure = bytes.Clone(m.failure)
	if c.wanted {
		c.result = bytes.Clone(m.result)
	}
	close(c.answered)
	if c.oob {
		return
	}
	// In-band commands are answered in order, so what was abandoned before this
	// one is never answered: guest-suspend-ram, for one, has no reply.
	for _, older := range s.pending {
		if older.abandoned && !older.oob && older.id < c.id {
			s.forget(older)
		}
	}
}

// callOf returns the command that a reply answers: one that has been sent. A
// monitor that leaves out the id answers in order. s.mu is held.
func (s *Session) callOf(m message) *call {
	if m.id != nil {
		id, err := strconv.ParseUint(string(m.id), 10, 64)
		if c := s.pending[id]; err == nil && c != nil && c.sent {
			return c
		}
		return nil
	}
	var oldest *call
	for _, c := range s.pending {
		if c.sent && (oldest == nil || c.id < oldest.id) {
			oldest = c
		}
	}
	return oldest
}
