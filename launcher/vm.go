package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qtest"
)

// exitGrace is how long a session that ended waits for the end of its QEMU,
// to say how it ended.
const exitGrace = time.Second

// A VM is one running QEMU with its two sessions and its console. It is safe
// for concurrent use. Close must be called, also when QEMU has ended by itself.
type VM struct {
	config   Config
	binary   string
	probed   probe.Info
	argv     argv
	sandbox  string // as given to QEMU
	process  *process
	stderr   *tail
	backends []*backend
	console  *Console
	port     *Console // nil without Config.Port
	qmp      *qmp.Session
	qtest    *qtest.Session

	startBegan time.Time
	startTook  time.Duration

	exchange exchange // of the QMP session

	dumpFile *os.File
	dumpPath string // dumpFile's, for QEMU
	dumping  chan struct{}

	work      sync.WaitGroup // the VM's goroutines, all of which end with QEMU
	closers   []func()       // in the order of opening
	close     func() error
	stopKill  func() bool
	stopWatch context.CancelFunc

	successor *successor // nil without Config.Successor
}

// Identify asks the binary of a configuration the questions that Launch asks
// before it starts it: what it is, and which objects it has. They take a twentieth of
// a second, and up to half a minute where a script takes long to start its QEMU, or
// the binary hangs; ctx bounds them. With Config.Known the answers are kept, and
// Launch doesn't ask again: a caller whose clock must not run meanwhile calls
// Identify before it starts that clock. An error is what Launch would have returned.
func Identify(ctx context.Context, config Config) (probe.Info, error) {
	c := config.withDefaults()
	if err := c.check(); err != nil {
		return probe.Info{}, err
	}
	return c.identify(ctx)
}

func (c Config) identify(ctx context.Context) (probe.Info, error) {
	binary, err := lookPath(c.Binary)
	if err != nil {
		return probe.Info{}, err
	}
	probed, err := c.Known.Binary(ctx, binary)
	if err != nil {
		return probe.Info{}, fmt.Errorf("launcher: %w", err)
	}
	return probed, nil
}

// Launch starts a QEMU and returns once both its sessions answer. The VM lives
// no longer than ctx: when that ends, QEMU is killed (Close is still to be
// called). What keeps QEMU from starting comes back as an *ExitError with the end of
// its output; a QEMU that has not answered when Config.StartTimeout has passed is a
// *SlowStartError. What is asked of the binary before (see Identify) has bounds of its
// own.
//
// Without a Config.Reservation Launch waits until the machine has a slot for one
// more VM, unless this process has one already: see Reserve.
func Launch(ctx context.Context, config Config) (*VM, error) {
	c := config.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	probed, err := c.identify(ctx)
	if err != nil {
		return nil, err
	}
	if c, err = c.chosen(ctx); err != nil {
		return nil, err
	}
	room := &Reservation{}
	if c.Reservation == nil {
		if room, err = reserveOne(ctx, c); err != nil {
			return nil, err
		}
	}
	v, err := launchIn(ctx, c, probed)
	if err != nil {
		room.Release()
		return nil, err
	}
	v.closers = append(v.closers, room.Release)
	return v, nil
}

func launchIn(ctx context.Context, c Config, probed probe.Info) (*VM, error) {
	sandbox := c.Sandbox
	if sandbox == "" && !slices.Contains(c.Args, "-sandbox") {
		sandbox = DefaultSandbox
	}
	v, err := tryLaunch(ctx, c, probed, sandbox)
	if err != nil && c.Sandbox == "" && sandbox != "" && withoutSandbox(err) {
		v, err = tryLaunch(ctx, c, probed, "")
	}
	return v, err
}

// withoutSandbox reports whether QEMU did not start because it was built without
// -sandbox. No help option shows that beforehand.
func withoutSandbox(err error) bool {
	exit, ok := errors.AsType[*ExitError](err)
	return ok && strings.Contains(exit.Stderr, "-sandbox support is not enabled")
}

func tryLaunch(ctx context.Context, c Config, probed probe.Info, sandbox string) (*VM, error) {
	v := newVM(c, probed, sandbox)
	if err := v.start(ctx, func(start context.Context) error { return v.launch(ctx, start) }); err != nil {
		if v.process != nil {
			v.process.endBecause(err)
			v.process.kill()
		}
		err = v.withBackends(err)
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

func newVM(c Config, probed probe.Info, sandbox string) *VM {
	v := &VM{
		config: c, binary: probed.Path, probed: probed, sandbox: sandbox,
		stderr: &tail{}, dumping: make(chan struct{}, 1), stopWatch: func() {},
	}
	v.close = sync.OnceValue(v.end)
	return v
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("launcher: %s is not in PATH: install it, or set Config.Binary to its path, as \"drover fleet ensure\" prints that of a private copy: %w", name, err)
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
		return fmt.Errorf("launcher: %w", probe.NotStarted(v.binary, err))
	}
	defer v.argv.closeInherited()
	if err := v.prepareSuccessor(ctx, w); err != nil {
		return err
	}
	if err := descriptorsHaveNames("/", v.argv.run); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	if err := v.startBackends(); err != nil {
		return err
	}
	cmd := exec.Command(v.binary, v.argv.run...)
	cmd.Stdout, cmd.Stderr = v.stderr, v.stderr
	cmd.WaitDelay = exitGrace / 2 // for a grandchild that holds the error output open
	cmd.ExtraFiles = slices.Concat(v.argv.inherited, v.successor.inherits())
	v.process, err = startProcess(cmd, v.config.CoreDumps)
	if err != nil {
		v.process = nil
		return fmt.Errorf("launcher: %w", probe.NotStarted(v.binary, err))
	}
	v.argv.closeInherited()
	v.successor.started()
	v.stopKill = context.AfterFunc(ctx, func() {
		v.process.endBecause(fmt.Errorf("its context ended: %w", ended.By(ctx)))
		v.process.signal(syscall.SIGKILL)
	})
	return v.connect(start, w)
}

// connect begins the sessions with a QEMU that is starting.
func (v *VM) connect(start context.Context, w *wiring) (err error) {
	v.work.Go(func() { v.endStreams(w) })
	v.recordConsole(w)

	if v.qmp, err = qmp.New(start, w.qmp, v.qmpOptions(w)); err != nil {
		return v.startError(start, "monitor", err)
	}
	v.qtest = qtest.New(w.qtest, qtest.Options{Trace: w.qtestTrace, Explain: v.explain, Machine: v.machine()})
	if _, err := v.qtest.ByteOrder(start); err != nil {
		return v.startError(start, "qtest server", err)
	}
	v.watchHang()
	return nil
}

// endStreams makes sure that the end of QEMU is the end of its streams, also
// where a program that it started, and that went into a session of its own,
// holds the other ends open.
func (v *VM) endStreams(w *wiring) {
	<-v.process.done
	w.end(exitGrace / 2)
}

func (v *VM) qmpOptions(w *wiring) qmp.Options {
	o := v.config.QMP
	o.Trace = both(v.exchange.trace, both(w.qmpTrace, o.Trace))
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

// Port returns the record of what the guest writes to the other end of Config.Port; nil
// where there is none.
func (v *VM) Port() *Console { return v.port }

// Name returns the guest's name.
func (v *VM) Name() string { return v.config.Name }

// Binary returns the path of the QEMU that was started.
func (v *VM) Binary() string { return v.binary }

// PID returns QEMU's process id.
func (v *VM) PID() int { return v.process.pid() }

// StartTook returns how long QEMU took from its start until both its sessions
// answered.
func (v *VM) StartTook() time.Duration { return v.startTook }

// Stderr returns the end of what QEMU wrote to its error output (16 KiB).
func (v *VM) Stderr() string { return v.stderr.String() }

// StderrLost returns how many bytes QEMU wrote to its error output before those that Stderr
// returns.
func (v *VM) StderrLost() uint64 { return v.stderr.beginningLost() }

// Exited is closed once QEMU has ended and been waited for.
func (v *VM) Exited() <-chan struct{} { return v.process.done }

// ExitState says how QEMU ended; nil while it runs.
func (v *VM) ExitState() *os.ProcessState { return v.process.state() }
