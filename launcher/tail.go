package launcher

import (
	"bytes"
	"strings"
	"sync"

	"github.com/drover-vm/drover/protocol/transcript"
)

// tail keeps the end of what is written to it.
type tail struct {
	most int // bytes; 0 means tailKept

	mu   sync.Mutex
	kept []byte
	lost uint64   // bytes before them
	copy *bounded // nil for none
	next *tail    // that has what is written from now on, nil for none
}

const tailKept = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		return t.next.Write(p)
	}
	t.kept = append(t.kept, p...)
	most := t.most
	if most == 0 {
		most = tailKept
	}
	if extra := len(t.kept) - most; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
		t.lost += uint64(extra)
	}
	if t.copy != nil {
		_, _ = t.copy.Write(p)
	}
	return len(p), nil
}

// continueIn has another keep what is written from now on.
func (t *tail) continueIn(next *tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = next
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.kept, []byte("?")))
}

// beginningLost is how many bytes came before what is kept.
func (t *tail) beginningLost() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// lastLines joins the last few lines that are not empty into one.
func lastLines(text string, most int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], " / ")
}

// An exchange keeps how the last command and the last message from a monitor
// begin. It is a session's trace.
type exchange struct {
	mu             sync.Mutex
	sent, received []byte
}

const exchangeKept = 160

func (x *exchange) trace(m transcript.Message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.Direction == transcript.Sent {
		x.sent = begin(x.sent[:0], m.Data)
		x.received = x.received[:0]
	} else {
		x.received = begin(x.received[:0], m.Data)
	}
}

func begin(kept, data []byte) []byte {
	data = bytes.TrimSpace(data)
	if len(data) > exchangeKept {
		return append(append(kept, data[:exchangeKept]...), "..."...)
	}
	return append(kept, data...)
}

// String returns "sent COMMAND, got MESSAGE".
func (x *exchange) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case len(x.sent) == 0:
		return ""
	case len(x.received) == 0:
		return "sent " + string(bytes.ToValidUTF8(x.sent, []byte("?"))) + ", got nothing"
	default:
		return "sent " + string(bytes.ToValidUTF8(x.sent, []byte("?"))) + ", got " + string(bytes.ToValidUTF8(x.received, []byte("?")))
	}
}
