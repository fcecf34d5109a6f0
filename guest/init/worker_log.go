//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// logWorker reads the kernel's log, and complains of each warning or worse, and of what is
// written at any level of a link, a disk or a clock that fails. What the kernel says until drover
// asks for the first time, which it does when the guest has booted, is what it says on this
// machine anyway: it is not complained of, and when it comes again it isn't either.
type logWorker struct{}

func (logWorker) Name() string { return "log" }

const (
	logEvery  = 600 * time.Millisecond // the kernel's own watch on its clock source looks each half second
	logDevice = "/dev/kmsg"
	logLine   = 8 << 10                     // bytes of a message, at the most
	logSplat  = 2_000_000                   // microseconds in which a warning's further lines come
	logWarns  = 4                           // the level of a warning: the lower, the worse
	logOwn    = "drover looks at the log"   // what the worker itself writes
	logAsked  = "drover asks what was seen" // and whenever drover has asked
)

func (logWorker) Run(ctx context.Context, w *Witness) error {
	// Else the kernel leaves out what a process writes too often.
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0) // the line must be whole
	from, err := syscall.Open(logDevice, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: logDevice, Err: err}
	}
	defer syscall.Close(from)
	to, err := os.OpenFile(logDevice, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	w.whenAsked(func() { _, _ = fmt.Fprintf(to, "<7>%s\n", logAsked) })
	l := &kernelLog{w: w, before: map[string]bool{}, said: map[string]bool{}}
	w.Set("read", 0)
	buf := make([]byte, logLine)
	for ctx.Err() == nil {
		if err := l.read(func() (int, error) { return syscall.Read(from, buf) }, buf); err != nil {
			return err
		}
		w.Round()
		// So that it is seen that the log goes on.
		if _, err := fmt.Fprintf(to, "<7>%s\n", logOwn); err == nil {
			w.Add("written", 1)
		}
		rest(ctx, logEvery)
	}
	return nil
}

// A kernelLog is what was read of it.
type kernelLog struct {
	w      *Witness
	booted bool            // the guest has, and may move from now on
	before map[string]bool // what was said until then, without numbers
	said   map[string]bool // what was complained of, without numbers
	splat  int64           // when the last line came that was complained of, or belongs to one; microseconds
}

// read takes all messages that there are; next reads one into buf.
func (l *kernelLog) read(next func() (int, error), buf []byte) error {
	for {
		n, err := next()
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case errors.Is(err, syscall.EPIPE): // messages were overwritten before they were read
			l.w.Add("overrun", 1)
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case n == 0:
			return nil
		default:
			l.take(string(buf[:n]))
		}
	}
}

// take takes a message as the kernel's documents describe it (Documentation/ABI/testing/dev-kmsg).
func (l *kernelLog) take(message string) {
	head, text, ok := strings.Cut(message, ";")
	fields := strings.Split(head, ",")
	text, _, _ = strings.Cut(text, "\n") // what follows are its device and the like
	if !ok || len(fields) < 3 {
		return
	}
	priority, err := strconv.Atoi(fields[0])
	at, atErr := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || atErr != nil {
		return
	}
	l.w.Add("lines", 1)
	level, facility := priority&7, priority>>3
	bad := says(text, badWords())
	switch {
	case facility != 0: // a process has written it
		switch {
		case strings.HasPrefix(text, logOwn):
			l.w.Add("read", 1)
		case strings.HasPrefix(text, logAsked):
			l.booted = true
		}
	case level <= logWarns || bad:
		l.warning(text, level, at, bad)
	}
}

// warning takes a message that is one, or worse. A splat of many lines is complained of once.
func (l *kernelLog) warning(text string, level int, at int64, bad bool) {
	kind := digits.ReplaceAllString(text, "#")
	if !l.booted {
		l.before[kind] = true
		return
	}
	if l.before[kind] || says(text, loadWords()) || strings.Contains(text, "[ cut here ]") {
		return
	}
	further := at-l.splat < logSplat && !bad
	l.splat = at
	l.w.Add("warnings", 1)
	if !further && !l.said[kind] {
		l.said[kind] = true
		l.w.Complain("the kernel log, %.3f s after its boot, level %d: expected no warning, lockup or failure, found %q", float64(at)/1e6, level, text)
	}
}

// digits are what differs between two messages of one kind.
var digits = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)

func says(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// badWords are in a message of any level that tells of a fault.
func badWords() []string {
	return []string{
		"BUG:", "Oops", "Kernel panic", "general protection", "nable to handle", "segfault", "WARNING:", "Uhhuh", "corrupt",
		"I/O error", "timed out", "timeout", "resetting", "reset controller",
		"Link is Down", "Link is down", "link down", "link is not ready", "unstable", "lockup", "LOCKUP", "detected stall", "blocked for more than",
	}
}

// loadWords are in a message that only measures how little time the host gave the guest.
func loadWords() []string {
	return []string{"hrtimer: interrupt took ", "perf: interrupt took too long ", "switching default tracing clock", "skipping watchdog check", "excessive read-back delay", "DL replenish lagged too much"}
}
