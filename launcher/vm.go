package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qtest"
)

// How Close ends a QEMU: it asks with quit, then with SIGTERM, then doesn't
// ask. A QEMU that works needs a hundredth of the first.
const (
	QuitPatience = 3 * time.Second // from quit to SIGTERM
	TermPatience = 2 * time.Second // from SIGTERM to SIGKILL
)

// lastWords is how long a session that ended waits for the end of its QEMU,
// to say how it ended.
const lastWords = time.Second

// A VM is one running QEMU with its two sessions and its console. It is safe
// for concurrent use. Close must be called, also when QEMU has ended by itself.
type VM struct {
	config  Config
	binary  string
	probed  probe.Info
	argv    argv
	process *process
	stderr  *tail
	console *Console
	qmp     *qmp.Session
	qtest   *qtest.Session

	dumpFile *os.File
	dumpPath string // dumpFile's, for QEMU
	dumping  chan struct{}

	recorder sync.WaitGroup // the console's reader
	closers  []func()       // in the order of opening
	close    func() error
	stopKill func() bool
}

// Launch starts a QEMU and returns once both its sessions answer. The VM lives
// no longer than ctx: when that ends, QEMU is killed (Close is still to be
// called). What keeps QEMU from starting comes back as an *ExitError with its
// own last words, at the latest when Config.StartTimeout has passed.
func Launch(ctx context.Context, config Config) (*VM, error) {
	c := config.withDefaults()
	binary, err := lookPath(c.Binary)
	if err != nil {
		return nil, err
	}
	start, cancel := context.WithTimeoutCause(ctx, c.StartTimeout, errStillStarting)
	defer cancel()
	probed, err := probe.Binary(start, binary)
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	v := &VM{config: c, binary: binary, probed: probed, stderr: &tail{}, dumping: make(chan struct{}, 1)}
	v.close = sync.OnceValue(v.end)
	if err := v.launch(ctx, start); err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("launcher: %s is not in PATH: install it, or give its path: %w", name, err)
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("launcher: there is no %s: %w", name, err)
	case errors.Is(err, os.ErrPermission):
		return "", fmt.Errorf("launcher: %s can't be executed: %w", name, err)
	case err != nil:
		return "", fmt.Errorf("launcher: %s: %w", name, err)
	}
	return path, nil
}

// launch does the steps of a start; what it has opened is in closers.
func (v *VM) launch(ctx, start context.Context) error {
	w, err := v.wire()
	if err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	defer v.argv.closeInherited()
	cmd := exec.Command(v.binary, v.argv.run...)
	cmd.Stdout, cmd.Stderr = v.stderr, v.stderr
	cmd.WaitDelay = lastWords / 2 // for a grandchild that holds the error output open
	cmd.ExtraFiles = v.argv.inherited
	v.process, err = startProcess(cmd)
	if err != nil {
		v.process = nil
		return fmt.Errorf("launcher: %w", err)
	}
	v.argv.closeInherited()
	v.stopKill = context.AfterFunc(ctx, func() { v.process.signal(syscall.SIGKILL) })
	v.recordConsole(w)

	if v.qmp, err = qmp.New(start, w.qmp, v.qmpOptions(w)); err != nil {
		return v.startError("before its monitor answered", err)
	}
	qtestConn, err := w.qtestConn(start, v.process.done)
	if err != nil {
		return v.startError("before its qtest server answered", err)
	}
	v.qtest = qtest.New(qtestConn, qtest.Options{Trace: w.qtestTrace, Explain: v.explain, Machine: v.machine()})
	if _, err := v.qtest.ByteOrder(start); err != nil {
		return v.startError("before its qtest server answered", err)
	}
	return nil
}

// startError makes of what a session met the sentence that says why there is
// no VM.
func (v *VM) startError(when string, err error) error {
	if exit, ok := errors.AsType[*ExitError](v.explain(err)); ok && exit.State != nil {
		exit.When = when
		return exit
	}
	if said := lastLines(v.stderr.String(), 3); said != "" {
		return fmt.Errorf("launcher: %s was started but did not answer: %w; it said: %s", v.binary, err, said)
	}
	return fmt.Errorf("launcher: %s was started but did not answer: %w; is it QEMU?", v.binary, err)
}

// explain adds to the end of a session how QEMU ended.
func (v *VM) explain(cause error) error {
	e := &ExitError{Name: v.config.Name, Binary: v.binary, Cause: cause, machine: v.config.Machine}
	if v.process.exited(lastWords) {
		e.State = v.process.cmd.ProcessState
	}
	e.Stderr = v.stderr.String()
	return e
}

func (v *VM) qmpOptions(w *wiring) qmp.Options {
	o := v.config.QMP
	o.Trace = both(w.qmpTrace, o.Trace)
	outer := o.Explain
	o.Explain = func(err error) error {
		err = v.explain(err)
		if outer != nil {
			err = outer(err)
		}
		return err
	}
	return o
}

// QMP returns the QMP session.
func (v *VM) QMP() *qmp.Session { return v.qmp }

// QTest returns the qtest session.
func (v *VM) QTest() *qtest.Session { return v.qtest }

// Console returns the record of the guest's first serial port.
func (v *VM) Console() *Console { return v.console }

// Name returns the guest's name.
func (v *VM) Name() string { return v.config.Name }

// Binary returns the path of the QEMU that was started.
func (v *VM) Binary() string { return v.binary }

// PID returns QEMU's process id.
func (v *VM) PID() int { return v.process.cmd.Process.Pid }

// Stderr returns the end of what QEMU wrote to its error output (16 KiB).
func (v *VM) Stderr() string { return v.stderr.String() }

// Exited is closed once QEMU has ended and been waited for.
func (v *VM) Exited() <-chan struct{} { return v.process.done }

// ExitState says how QEMU ended; nil while it runs.
func (v *VM) ExitState() *os.ProcessState {
	select {
	case <-v.process.done:
		return v.process.cmd.ProcessState
	default:
		return nil
	}
}

// Quit asks QEMU to quit and waits for its end. The error is an *ExitError
// where it ended with anything but status 0, and that of ctx where it did not
// end in time; Close is still to be called.
func (v *VM) Quit(ctx context.Context) error {
	err := v.qmp.Execute(ctx, "quit", nil, nil)
	// QEMU may be gone before its reply is out: how it ended is what counts.
	if _, closed := errors.AsType[*qmp.ClosedError](err); err != nil && !closed {
		return err
	}
	select {
	case <-v.process.done:
	case <-ctx.Done():
		return fmt.Errorf("launcher: %s did not end after quit: %w", v.config.Name, context.Cause(ctx))
	}
	if state := v.process.cmd.ProcessState; !state.Success() {
		return &ExitError{Name: v.config.Name, Binary: v.binary, When: "on quit", State: state, Stderr: v.stderr.String()}
	}
	return nil
}

// Close ends QEMU, if it has not ended: it sends quit, after QuitPatience
// SIGTERM, and after TermPatience SIGKILL, also to what QEMU started. When it
// returns there is no process, file, socket or goroutine left of the VM. Only
// the first call does anything; the others return what that one did.
func (v *VM) Close() error { return v.close() }

// Kill ends QEMU at once with SIGKILL, and then does as Close.
func (v *VM) Kill() error {
	v.process.kill()
	return v.close()
}

func (v *VM) end() error {
	if v.process != nil {
		v.endProcess()
		v.stopKill()
	}
	if v.qmp != nil {
		_ = v.qmp.Close()
	}
	if v.qtest != nil {
		_ = v.qtest.Close()
	}
	v.recorder.Wait()
	v.argv.closeInherited()
	for _, f := range v.closers {
		f()
	}
	return nil
}

func (v *VM) endProcess() {
	if v.qmp != nil && v.qmp.Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), QuitPatience)
		defer cancel()
		if v.Quit(ctx) == nil {
			return
		}
		if !v.process.exited(0) {
			v.process.signal(syscall.SIGTERM)
		}
		v.process.exited(TermPatience)
	}
	v.process.kill()
}
