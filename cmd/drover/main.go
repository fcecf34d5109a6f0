// Command drover moves real guests between real QEMUs, and proves that nothing
// was lost. See "drover help".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/internal/plain"
)

// Exit statuses.
const (
	exitOK        = 0 // nothing failed; what was skipped did not
	exitFailed    = 1 // a scenario or a check failed
	exitCannotRun = 2 // it could not be tried: the command line, a QEMU, an interrupt, an output that can't be written
)

func main() {
	if err := enoughFiles(); err != nil {
		fmt.Fprintln(os.Stderr, "drover:", err) // past all that opens a file
		if bisecting(os.Args[1:]) {
			os.Exit(exitAbort)
		}
		os.Exit(exitCannotRun)
	}
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// A second Ctrl-C ends us at once; the kernel then ends our QEMUs.
	context.AfterFunc(ctx, stop)
	os.Exit(dispatch(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// fewestFiles is how many files a process must be able to have open for Go itself to work; it
// ends in a panic of its own with fewer. A scenario takes some 64, and says which it lacks.
const fewestFiles = 16

// enoughFiles says why no command can run where this user may have too few files open.
func enoughFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= fewestFiles {
		return nil
	}
	return fmt.Errorf("a process of this user may have %d files open, and needs at least %d, 64 for a scenario: raise the limit (ulimit -n 1024)", limit.Cur, fewestFiles)
}

// dispatch runs a command, and returns the exit status.
func dispatch(ctx context.Context, args []string, stdin, stdout, stderr *os.File) int {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out, errs := newPrinter(ctx, end, stdout), newPrinter(ctx, func(error) {}, stderr)
	s := &session{stdin: stdin, stdout: out, stderr: errs}
	status := ended(s.execute(ctx, args), out, errs)
	if status == exitCannotRun && bisecting(args) {
		return exitAbort
	}
	return status
}

// ended is the exit status of a command, another where its output has been lost.
func ended(status int, out, errs *printer) int {
	_ = out.Flush()
	if err := out.output.lost(); err != nil {
		status = complain(errs, err)
	}
	_ = errs.Flush()
	return status
}

// endGrace is how long a command that owns no process is waited for when ctx has ended.
const endGrace = 250 * time.Millisecond

// start runs the command to its end, or to that of ctx. A command that owns processes
// ends them first; any other is left behind where it doesn't come back by itself: it
// may read a file that never ends.
func (c *command) start(ctx context.Context, words []string, stdin *os.File, stdout, stderr io.Writer) int {
	returned := make(chan int, 1)
	go func() { returned <- c.run(ctx, words, stdin, stdout, stderr) }()
	select {
	case status := <-returned:
		return status
	case <-ctx.Done():
	}
	if c.owns {
		return <-returned
	}
	select {
	case status := <-returned:
		return status
	case <-time.After(endGrace):
		return interrupted(ctx, stderr, "")
	}
}

// interrupted prints that ctx has ended, and why; then what has been done about it. Where
// the output can't be written, why is for dispatch to print.
func interrupted(ctx context.Context, stderr io.Writer, then string) int {
	why := context.Cause(ctx)
	_, lost := errors.AsType[*outputError](why)
	switch {
	case !lost && then != "":
		note(stderr, fmt.Sprintf("interrupted: %v; %s", why, then))
	case !lost:
		note(stderr, fmt.Sprintf("interrupted: %v", why))
	case then != "":
		note(stderr, then)
	}
	return exitCannotRun
}

// exitOf is the exit status of something that worked or could not be done.
func exitOf(err error, stderr io.Writer) int {
	if err != nil {
		return complain(stderr, err)
	}
	return exitOK
}

// longestComplaint is how much is printed of an error, in bytes. It is more than any of
// ours has; a QEMU may print without end.
const longestComplaint = 8 << 10

// complain prints in one line why something could not run.
func complain(stderr io.Writer, err error) int {
	for _, err := range apart(err) {
		note(stderr, err.Error())
	}
	return exitCannotRun
}

// apart are the errors that errors.Join has joined, each of which is a line of its own;
// else the one that there is.
func apart(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var text []string
	for _, one := range joined.Unwrap() {
		text, all = append(text, one.Error()), append(all, apart(one)...)
	}
	if strings.Join(text, "\n") != err.Error() {
		return []error{err}
	}
	return all
}

// note prints one line of our own.
func note(stderr io.Writer, text string) {
	fmt.Fprintf(stderr, "drover: %s\n", plain.Cut(text, longestComplaint))
}

// quoted is a word of the command line, for a message: cut where it is long.
func quoted(word string) string {
	if len(word) <= near.Longest {
		return fmt.Sprintf("%q", word)
	}
	return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(word[:near.Longest], ""), len(word))
}

// didYouMean offers the names that a word may have meant, "" where there are none.
func didYouMean(word string, names []string) string {
	if offers := near.Names(word, names); len(offers) > 0 {
		return "; did you mean " + strings.Join(offers, " or ") + "?"
	}
	return ""
}
