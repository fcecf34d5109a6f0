package qtest

import "fmt"

// An Error is a request that QEMU understood and refused. The session goes on.
type Error struct {
	Command string // the request's first word, such as "clock_step"
	Status  string // "FAIL" or "ERR"
	Text    string // QEMU's message, at most 500 bytes, such as "IRQ intercept already enabled"
}

func (e *Error) Error() string {
	return fmt.Sprintf("qtest: %s: QEMU answers %s %s", e.Command, e.Status, e.Text)
}

// An ArgumentError is a request that was not sent, because QEMU would have
// aborted or answered something else than what was asked.
type ArgumentError struct {
	Command  string // the request's first word
	Argument string // which argument
	Value    string // as given
	Problem  string // what is wrong with it, and the way out
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("qtest: %s: %s %s: %s", e.Command, e.Argument, e.Value, e.Problem)
}

// A ClosedError is what every call gets once the session has ended. Cause is
// net.ErrClosed after Close, io.EOF where QEMU closed the connection, a
// *ProtocolError where it answered nonsense, the connection's own error, or
// whatever Options.Explain made of one of these.
type ClosedError struct{ Cause error }

func (e *ClosedError) Error() string { return "qtest: session ended: " + e.Cause.Error() }
func (e *ClosedError) Unwrap() error { return e.Cause }

// A ProtocolError is a line from the peer that no qtest server sends here. It
// ends the session, for after it no reply could be matched to its request.
type ProtocolError struct {
	Line    string // how it begins
	Problem string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("the peer does not speak qtest: %s: %q", e.Problem, e.Line)
}
