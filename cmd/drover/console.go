package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
)

const consoleText = `Boots a guest and attaches this terminal to its serial console. The guest is one
of drover's own programs (incrementer, where none is named), or whatever the
arguments behind -- make of QEMU; with a program's name as well, both.
QEMU is started with -nodefaults and without a display.

At a terminal every key goes to the guest, Ctrl-C as well. Ctrl-] is the escape
key:
    Ctrl-] q        end QEMU and leave
    Ctrl-] b        send a break (Linux takes it for SysRq)
    Ctrl-] Ctrl-]   send Ctrl-] itself
    Ctrl-] ?        show this

Where the input is no terminal it is sent as it is, and its end ends nothing:
the guest is shown until QEMU ends, --for or --until is met, or a signal comes.

Exit status: 0 when QEMU ended with status 0, by itself or because it was told to
here; 1 when it ended otherwise, or what --until names did not come; 2 when it
could not run, was interrupted, or its output or record could not be written.`

const escapeHelp = "q ends QEMU, b sends a break, Ctrl-] sends Ctrl-], ? shows this; the escape key is Ctrl-]"

// consoleFlags are what "drover console" was told.
type consoleFlags struct {
	run     runFlags // its arch, qemu, machine and accel
	pty     bool
	most    time.Duration
	pattern string // of --until
	until   *regexp.Regexp
	record  string
	program string
	extra   []string // nil: there was no --
}

func consoleCommand() *command {
	f := &consoleFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "console [flags] [guest program] [-- QEMU arguments]",
			Short:             "boot a guest and attach this terminal to its serial console",
			Long:              consoleText,
			ValidArgsFunction: guestPrograms,
		},
		check: f.check, run: f.attach, behind: &f.extra, owns: true,
	}
	f.declare(c.Flags())
	completeQEMUs(c.Command, &f.run.qemu)
	return c
}

// declare makes the flags.
func (f *consoleFlags) declare(set *pflag.FlagSet) {
	set.StringVar(&f.run.arch, "arch", "", "`target`: "+strings.Join(targets, ", ")+" (default: that of --qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.run.qemu, "qemu", "", "QEMU: the path of a `binary`, or a version or suite of the fleet (default: the one that \"drover run\" takes)")
	set.StringVar(&f.run.machine, "machine", "", "machine `type` (default: QEMU's)")
	set.StringVar(&f.run.accel, "accel", "", "`accelerator`: tcg, kvm, or auto, which measures (default tcg)")
	set.BoolVar(&f.pty, "pty", false, "connect the guest's serial port to a pseudo-terminal instead of a socket")
	set.DurationVar(&f.most, "for", 0, "end QEMU after this `time` (0: no limit)")
	set.StringVar(&f.pattern, "until", "", "end QEMU when the console matches the regular `expression`")
	set.StringVar(&f.record, "record", "", "existing `folder` to keep the console in, with its times, QEMU's errors and the protocols")
}

func (f *consoleFlags) check(words []string) (err error) {
	switch {
	case len(words) > 1:
		return usageError(fmt.Sprintf("one guest program at a time, not %s and %s; arguments for QEMU go behind --", quoted(words[0]), quoted(words[1])))
	case checkTime("for", f.most) != nil:
		return checkTime("for", f.most)
	case len(words) == 1:
		f.program = words[0]
	case f.extra == nil:
		f.program = "incrementer"
	}
	if f.pattern != "" {
		if f.until, err = regexp.Compile(f.pattern); err != nil {
			return usageError("--until: " + plain.Cut(err.Error(), longestFlagError))
		}
	}
	return nil
}

func (f consoleFlags) config() (launcher.Config, error) {
	env, err := f.run.environment()
	if err != nil {
		return launcher.Config{}, err
	}
	archs, err := f.run.targets(env)
	if err != nil {
		return launcher.Config{}, err
	}
	if len(archs) != 1 {
		return launcher.Config{}, usageError("--arch: one target at a time")
	}
	c := launcher.Config{
		Arch: archs[0], Name: "guest", Machine: f.run.machine, Accel: f.run.accel, Dir: f.record, Args: f.extra,
	}
	if f.pty {
		c.Serial = launcher.SerialPTY
	}
	if f.program != "" {
		if c.Program, err = findProgram(f.program, c.Arch); err != nil {
			return c, err
		}
		c.Name = c.Program.Name
	}
	qemu, err := f.run.find(c.Arch, fleet.Either, env)
	c.Binary = qemu.Path
	return c, err
}

func findProgram(name, arch string) (*fixtures.Program, error) {
	var names []string
	for _, p := range fixtures.All() {
		if p.Arch != arch {
			continue
		}
		if p.Name == name {
			return &p, nil
		}
		names = append(names, p.Name)
	}
	if offers := near.Names(name, names); len(offers) > 0 {
		names = offers
	}
	return nil, usageError(fmt.Sprintf("no guest program %s for %s; there is %q; arguments for QEMU go behind --", quoted(name), arch, names))
}

func (f *consoleFlags) attach(ctx context.Context, _ []string, stdin *os.File, stdout, stderr io.Writer) int {
	flags := *f
	config, err := flags.config()
	if err != nil {
		return complain(stderr, err)
	}
	// ctx ends the start, but not the VM: the terminal is restored first, and
	// Close lets QEMU say how it ended.
	life, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	started := context.AfterFunc(ctx, func() { kill(context.Cause(ctx)) })
	vm, err := launcher.Launch(life, config)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, stderr, err.Error())
	case err != nil:
		return complain(stderr, err)
	}
	started()
	defer func() { _ = vm.Close() }()
	what := "QEMU"
	if flags.program != "" {
		what = flags.program + " on QEMU"
	}
	accel := vm.Accel().Accel
	if config.Accel == launcher.AccelAuto {
		accel = vm.Accel().String() // with its why
	}
	note(stderr, fmt.Sprintf("%s, process %d, accelerator %s", what, vm.PID(), accel))
	if term.IsTerminal(int(stdin.Fd())) {
		note(stderr, "the escape key is Ctrl-]: Ctrl-] q ends QEMU, Ctrl-] ? shows all keys")
	}
	why := attach(ctx, vm, flags, stdin, raw(stdout), raw(stderr))
	if exit := (*launcher.ExitError)(nil); !wanted(why) && !errors.As(why, &exit) {
		// Whoever interrupts us waits no longer than a second for a QEMU that is deaf.
		defer time.AfterFunc(quitGrace, func() { kill(why) }).Stop()
	}
	_ = vm.Close()
	status := consoleEnd(vm, flags, why, stderr)
	if err := lostRecord(vm, flags.record); err != nil {
		return complain(stderr, err)
	}
	return status
}

// quitGrace is how long QEMU may take to quit after an interrupt.
const quitGrace = 500 * time.Millisecond

// Why a person was detached, other than by QEMU's end or a signal.
var (
	errQuit    = errors.New("the escape key and q were pressed")
	errTime    = errors.New("the time of --for is over")
	errMatched = errors.New("what --until names has come")
	errHungUp  = errors.New("the terminal is gone")
)

// wanted says whether the console ended as its user asked for.
func wanted(why error) bool {
	return errors.Is(why, errQuit) || errors.Is(why, errTime) || errors.Is(why, errMatched)
}

// consoleEnd prints how it ended, and returns the exit status.
func consoleEnd(vm *launcher.VM, f consoleFlags, why error, stderr io.Writer) int {
	state := vm.ExitState()
	fine := state.Success() || signalled(state) // Close asks a QEMU that is deaf with SIGTERM
	exit, byItself := errors.AsType[*launcher.ExitError](why)
	lost, unwritten := errors.AsType[*outputError](why)
	switch {
	case unwritten && !errors.Is(lost, syscall.EPIPE): // dispatch says so
		note(stderr, fmt.Sprintf("QEMU has been ended: %v", state))
		return exitCannotRun
	case byItself && exit.ExitCode() == 0:
		note(stderr, fmt.Sprintf("QEMU has ended by itself: %v", state))
	case byItself:
		note(stderr, exit.Error())
		return exitFailed
	case wanted(why):
		note(stderr, fmt.Sprintf("%v; QEMU has been ended: %v", why, state))
	default:
		note(stderr, fmt.Sprintf("interrupted (%v); QEMU has been ended: %v", why, state))
		return exitCannotRun
	}
	if !fine || f.until != nil && !errors.Is(why, errMatched) {
		return exitFailed
	}
	return exitOK
}

func signalled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGKILL)
}
