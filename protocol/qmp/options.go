package qmp

import (
	"encoding/json"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
	"github.com/drover-vm/drover/protocol/transcript"
)

// Bounds where Options says nothing.
const (
	DefaultEventLog   = eventlog.DefaultBound // 4096 events
	DefaultMaxMessage = 64 << 20              // 64 MiB
)

// Options say how a session behaves. The zero value is a good start.
//
// The functions are called by the session's own goroutines: they must not
// close the session, nor wait for anything that it brings.
type Options struct {
	// EventLog is how many events are kept for readers that come late; 0 means
	// DefaultEventLog, 4096. Fewer are kept where they are larger than MaxMessage
	// together.
	EventLog int
	// MaxMessage is how long one message from the monitor may be, in bytes; 0
	// means DefaultMaxMessage, 64 MiB. A longer one ends the session.
	MaxMessage int
	// NoOOB declines out-of-band execution where the monitor offers it.
	NoOOB bool
	// Trace sees every message, in the order in which it went over the wire. It
	// is called by one goroutine at a time, and holds up the session while it
	// runs. The data is valid during the call only.
	Trace func(transcript.Message)
	// Explain is called once, when the stream ends without Close. What it
	// returns is the Cause that every caller gets: the launcher of the QEMU adds
	// there how it ended. Callers wait while it runs.
	Explain func(error) error
	// Check, where set, sees each command before it is sent, arguments as they
	// will be sent or nil, and keeps it from being sent with an error. It is
	// called by those who execute, many at once. The handshake is not checked.
	Check func(command string, arguments json.RawMessage) error
}
