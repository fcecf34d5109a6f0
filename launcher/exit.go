package launcher

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// An ExitError says how a QEMU ended that was expected to live, and its last
// words. Every wait on a session or console of that QEMU ends with it.
type ExitError struct {
	Name   string           // the guest's name
	Binary string           // what was run
	When   string           // what it was about: "before its monitor answered"
	State  *os.ProcessState // nil where it still ran when its session ended
	Stderr string           // the end of its error output
	Cause  error            // what the session met: usually io.EOF

	machine string // the machine type asked for
}

func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "launcher: %s", e.Binary)
	if e.Name != "vm" {
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
	if said := lastLines(e.Stderr, 3); said != "" {
		fmt.Fprintf(&b, ": %s", said)
	}
	if hint := e.remedy(); hint != "" {
		fmt.Fprintf(&b, "; %s", hint)
	}
	return b.String()
}

func (e *ExitError) Unwrap() error { return e.Cause }

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

// remedies gives the way out of what QEMU says when it can't start.
var remedies = []struct{ word, way string }{
	{"failed to initialize kvm", "try the accelerator tcg"},
	{"could not access KVM kernel module", "try the accelerator tcg"},
	{"invalid accelerator", "ask it with -accel help which it has"},
	{"unsupported machine type", "-machine help lists those it has"},
	{"is not a valid device model name", "ask it with -device help which it has"},
	{"Cannot set up guest memory", "give the guest less memory"},
	{"Could not open ROM", "install the firmware that belongs to this QEMU, or name its folder with -L"},
	{"could not load PC BIOS", "install the firmware that belongs to this QEMU (seabios), or name its folder with -L"},
	{"Address already in use", "let the system choose the port (0)"},
}

func (e *ExitError) remedy() string {
	for _, r := range remedies {
		if strings.Contains(strings.ToLower(e.Stderr), strings.ToLower(r.word)) {
			if e.machine != "" && strings.Contains(r.word, "machine") {
				return fmt.Sprintf("the machine asked for is %q: %s", e.machine, r.way)
			}
			return r.way
		}
	}
	return ""
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

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
	copy *os.File
}

const tailKept = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - tailKept; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	if t.copy != nil {
		_, _ = t.copy.Write(p) // a full disk costs the copy, not QEMU
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.kept, []byte("?")))
}

var errStillStarting = errors.New("it had not answered when the time for its start ran out")
