package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
)

// An attachment is a person, or a pipe, at a guest's console.
type attachment struct {
	console *launcher.Console
	vm      *launcher.VM
	flags   consoleFlags
	stdin   *os.File
	stdout  io.Writer
	stderr  io.Writer
	raw     bool
	deaf    bool   // the guest has stopped reading
	restore func() // of the terminal; more than once is once
	end     context.CancelCauseFunc
}

// attach connects until something ends it, and returns what did. The terminal
// is as it was when attach returns, or panics.
func attach(ctx context.Context, vm *launcher.VM, f consoleFlags, stdin *os.File, stdout, stderr io.Writer) error {
	// None of these may end us while the terminal is raw, also not the second
	// that comes; a closed pipe is an error of writing like others.
	signals, broken := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	if f.most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.most, errTime)
		defer cancel()
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	a := &attachment{console: vm.Console(), vm: vm, flags: f, stdin: stdin, stdout: stdout, stderr: stderr, end: end}
	a.makeRaw()
	defer a.restore()
	var work sync.WaitGroup
	shown := make(chan struct{})
	work.Go(a.guarded(func() { defer close(shown); a.show(ctx) }))
	work.Go(a.guarded(func() { a.read(ctx) }))
	if f.until != nil {
		work.Go(a.guarded(func() {
			if _, err := a.console.WaitMatch(ctx, 0, f.until); err == nil {
				end(errMatched)
			}
		}))
	}
	select {
	case s := <-signals:
		end(signalError{s})
	case <-ctx.Done():
	}
	a.restore()
	signal.Stop(signals)
	select {
	case <-shown:
		work.Wait()
	case <-time.After(time.Second): // nobody reads our output: it stays behind until we are gone
	}
	return context.Cause(ctx)
}

// A signalError says which signal came.
type signalError struct{ os.Signal }

func (e signalError) Error() string { return e.Signal.String() }

// makeRaw lets every key through, where the input is a terminal.
func (a *attachment) makeRaw() {
	a.restore = func() {}
	fd := int(a.stdin.Fd())
	if !term.IsTerminal(fd) {
		return
	}
	if state, err := term.MakeRaw(fd); err == nil {
		a.raw = true
		a.restore = sync.OnceFunc(func() { _ = term.Restore(fd, state) })
	}
}

// guarded restores the terminal before a panic ends us.
func (a *attachment) guarded(work func()) func() {
	return func() {
		finished := false
		defer func() {
			if !finished {
				a.restore()
			}
		}()
		work()
		finished = true
	}
}

// show writes the guest's output until there is no more, or ctx ends; then
// what had come until then.
func (a *attachment) show(ctx context.Context) {
	place := int64(0)
	write := func(c launcher.Chunk) bool {
		if lost := c.Place - place; lost > 0 {
			a.tell(fmt.Sprintf("%d bytes of the guest are lost: the output is too slow", lost))
		}
		place = c.Next()
		_, err := a.stdout.Write(c.Bytes)
		if err != nil {
			a.end(err)
		}
		return err == nil
	}
	for chunk, err := range a.console.Follow(ctx, 0) {
		if err != nil {
			if exit, ok := errors.AsType[*launcher.ExitError](err); ok {
				a.end(exit)
			}
			break
		}
		if !write(chunk) {
			return
		}
	}
	for _, chunk := range a.console.Chunks(place) {
		if !write(chunk) {
			return
		}
	}
}

// tell prints a message of our own in the guest's output.
func (a *attachment) tell(text string) {
	newline := "\n"
	if a.raw {
		newline = "\r\n"
	}
	fmt.Fprint(a.stderr, newline+"drover: "+plain.Cut(text, longestComplaint)+newline)
}

// read sends the input to the guest.
func (a *attachment) read(ctx context.Context) {
	var k keys
	err := readUntil(ctx, a.stdin, func(text string) error {
		if !a.raw {
			return a.console.Send(ctx, text)
		}
		for _, key := range k.typed(text) {
			if err := a.do(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
	if a.raw && errors.Is(err, io.EOF) {
		a.end(errHungUp)
	}
}

func (a *attachment) do(ctx context.Context, k key) error {
	switch k.command {
	case 0:
		return a.send(ctx, k.text)
	case 'q', 'Q':
		a.end(errQuit)
		return errQuit
	case 'b', 'B':
		if err := a.vm.SendBreak(ctx); err != nil {
			a.tell(err.Error())
		}
	case '?', 'h':
		a.tell(escapeHelp)
	default:
		a.tell(fmt.Sprintf("Ctrl-] %q means nothing: %s", k.command, escapeHelp))
	}
	return nil
}

// How long a key waits for a guest that reads nothing, and how long the next
// ones do. Then they are dropped, so that the escape key behind them is heard.
const (
	typedTimeout = time.Second
	deafTimeout  = 20 * time.Millisecond
)

func (a *attachment) send(ctx context.Context, text string) error {
	timeout := typedTimeout
	if a.deaf {
		timeout = deafTimeout
	}
	timed, cancel := context.WithTimeoutCause(ctx, timeout, errDeaf)
	defer cancel()
	err := a.console.Send(timed, text)
	if !errors.Is(err, errDeaf) {
		a.deaf = false
		return err
	}
	if !a.deaf {
		a.tell(errDeaf.Error())
	}
	a.deaf = true
	return nil
}

var errDeaf = errors.New("the guest reads nothing: what is typed is dropped")

// readUntil hands to use what comes from f, until its end (io.EOF), that of ctx,
// or an error of use. Nothing is taken from f that use does not get.
func readUntil(ctx context.Context, f *os.File, use func(text string) error) error {
	wake, waker, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = wake.Close() }()
	closeWaker := sync.OnceFunc(func() { _ = waker.Close() })
	defer closeWaker()
	defer context.AfterFunc(ctx, closeWaker)()
	buf := make([]byte, 4096)
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := f.Read(buf)
		if n > 0 {
			if err := use(string(buf[:n])); err != nil {
				return err
			}
		}
		if err != nil {
			return io.EOF // EIO is how a terminal ends that was hung up
		}
	}
}
