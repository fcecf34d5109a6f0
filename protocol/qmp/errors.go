package qmp

import (
	"errors"
	"fmt"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

// An ErrorClass is what a program may branch on; the text of an error is for
// people and changes between versions of QEMU.
type ErrorClass string

// The classes of QMP (qapi/error.json).
const (
	GenericError    ErrorClass = "GenericError"
	CommandNotFound ErrorClass = "CommandNotFound"
	DeviceNotActive ErrorClass = "DeviceNotActive"
	DeviceNotFound  ErrorClass = "DeviceNotFound"
	KVMMissingCap   ErrorClass = "KVMMissingCap"
)

// An Error is QEMU's answer to a command that it refuses. The session goes on.
type Error struct {
	Class   ErrorClass
	Desc    string // QEMU's own message
	Command string
}

func (e *Error) Error() string {
	if e.Class == GenericError {
		return fmt.Sprintf("qmp: %s: %s", e.Command, e.Desc)
	}
	return fmt.Sprintf("qmp: %s: %s: %s", e.Command, e.Class, e.Desc)
}

// A ClosedError says that the session has ended. Every call that waits when
// that happens, and every later one, gets the same.
type ClosedError struct {
	Cause error // io.EOF, a *ProtocolError, net.ErrClosed after Close, or what Options.Explain made of it
}

func (e *ClosedError) Error() string { return "qmp: the session has ended: " + e.Cause.Error() }
func (e *ClosedError) Unwrap() error { return e.Cause }

// An ArgumentError says that a command was not sent: its arguments don't encode,
// Options.Check refused them, or no monitor could read them.
type ArgumentError struct {
	Command string
	Err     error
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("qmp: %s was not sent: %v", e.Command, e.Err)
}
func (e *ArgumentError) Unwrap() error { return e.Err }

// A ProtocolError says that the peer does not speak QMP. As the Cause of a
// ClosedError it has ended the session. By itself it is the error of one
// command, whose reply could not be understood.
type ProtocolError struct {
	Problem string
	Data    []byte // the beginning of what came
}

func (e *ProtocolError) Error() string {
	if len(e.Data) == 0 {
		return "qmp: " + e.Problem
	}
	return fmt.Sprintf("qmp: %s: %q", e.Problem, e.Data)
}

// LostError says that events which a reader asked for have been dropped,
// because the log keeps only Options.EventLog of them. Lost is their number (uint64), and
// Next the Mark of the oldest that is left: reading can go on there.
type LostError = eventlog.LostError

var (
	// ErrSilent says that a monitor accepted the connection and did not greet.
	ErrSilent = errors.New("the monitor does not greet; most likely somebody else is connected to it, for it serves one at a time")
	// ErrNoAgent says that nobody answered a guest agent's handshake.
	ErrNoAgent = errors.New("the guest agent does not answer; most likely it is not running in the guest, or serves somebody else")
	// ErrNoOOB says that a command can't be sent out of band: the monitor doesn't
	// offer it, or Options.NoOOB declined it.
	ErrNoOOB = errors.New("this session has no out-of-band execution")
	// ErrNoFiles says that files can't be sent on a session's connection.
	ErrNoFiles = errors.New("files travel over UNIX sockets only")
)

// NoSuchCommand reports whether an error says that QEMU does not have the command: it is too old or
// too new for it, or was built without.
func NoSuchCommand(err error) bool {
	refused, ok := errors.AsType[*Error](err)
	return ok && refused.Class == CommandNotFound
}
