package launcher

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// An ExitError says how a QEMU ended that was expected to live, and the end of
// its output. Every wait on a session or console of that QEMU ends with it.
type ExitError struct {
	Name   string           // the guest's name
	Binary string           // what was run
	When   string           // what it was about: "before its monitor answered"
	State  *os.ProcessState // nil where it still ran when its session ended
	Stderr string           // the end of its error output
	QMP    string           // the last command sent to it and the last message from it, shortened; "" where there was none
	Serial string           // the end of its guest's console
	Cause  error            // what the session met: usually io.EOF
	By     error            // why this launcher ended it; nil where it ended by itself

	machine string // the machine type asked for
}

func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "launcher: %s", e.Binary)
	if e.Name != defaultName {
		fmt.Fprintf(&b, " (%s)", e.Name)
	}
	switch {
	case e.State == nil:
		b.WriteString(" closed its session but still runs")
	case e.When != "":
		fmt.Fprintf(&b, " exited %s: %v", e.When, e.State)
	default:
		fmt.Fprintf(&b, " exited: %v", e.State)
	}
	if e.By != nil {
		fmt.Fprintf(&b, ": %v", e.By)
	}
	if output := lastLines(e.Stderr, 3); output != "" {
		fmt.Fprintf(&b, ": %s", output)
	}
	if e.When == "" && e.QMP != "" {
		fmt.Fprintf(&b, "; last on its monitor: %s", e.QMP)
	}
	if e.When == "" && e.Serial != "" {
		const shown = 40
		fmt.Fprintf(&b, "; its console ends in %q", e.Serial[max(0, len(e.Serial)-shown):])
	}
	if hint := e.remedy(); hint != "" {
		fmt.Fprintf(&b, "; %s", hint)
	}
	return b.String()
}

// Unwrap returns what the session met and why QEMU was ended, so far as there
// are any: errors.Is(err, context.Canceled) is true of a VM that ended with its
// context.
func (e *ExitError) Unwrap() []error {
	var causes []error
	for _, err := range []error{e.Cause, e.By} {
		if err != nil {
			causes = append(causes, err)
		}
	}
	return causes
}

// ExitCode returns the status that QEMU exited with, -1 where a signal ended
// it or it still runs.
func (e *ExitError) ExitCode() int {
	if e.State == nil {
		return -1
	}
	return e.State.ExitCode()
}

// Signal returns the signal that ended QEMU, 0 where none did.
func (e *ExitError) Signal() syscall.Signal {
	if e.State == nil {
		return 0
	}
	if status, ok := e.State.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// errKilled is why a QEMU ended that Kill ended.
var errKilled = errors.New("it was told to (Kill)")

// exitError gathers what is known of the end of QEMU.
func (v *VM) exitError(cause error) *ExitError {
	e := &ExitError{
		Name: v.config.Name, Binary: v.binary, Cause: cause, machine: v.config.Machine,
		State: v.process.state(), By: v.process.by(), Stderr: v.stderr.String(), QMP: v.exchange.String(),
	}
	if v.console != nil {
		const kept = 400
		e.Serial = string(bytes.ToValidUTF8(v.console.Since(v.console.Mark()-kept), []byte("?")))
	}
	return e
}

// explain adds to the end of a session how QEMU ended.
func (v *VM) explain(cause error) error {
	if v.successor.took() {
		return &ReplacedError{Name: v.config.Name}
	}
	v.process.exited(exitGrace)
	return v.exitError(cause)
}
