package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// longestLife is when, at the latest, a signal is sent: later than a scenario takes.
const longestLife = 4 * time.Second

// victims are the commands that are killed.
func victims(a *attempt) [][]string {
	run := []string{"run", "-qemu", a.qemu, "-artifacts", a.path("artifacts")}
	with := func(more ...string) []string { return append(append([]string{}, run...), more...) }
	return [][]string{
		with("precopy/unix/plain"), with("precopy/tcp/plain"), with("postcopy/plain"), with("multifd/tcp/uri/plain/none"),
		with("precopy/file/mapped-ram"), with("ignore-shared"), with("pingpong"), with("-parallel", "2", "precopy/unix/plain", "bad_dest"),
		with("-keep", "precopy/unix/plain"), with("-json", "exact/ram/precopy"),
		{"preflight", a.qemu, a.qemu},
		{"matrix", "-scenarios", "precopy/unix/plain", "-artifacts", a.path("artifacts"), a.qemu, a.qemu},
	}
}

// tryKilling sends a command a signal at a random moment, and sweeps by another run.
func tryKilling(ctx context.Context, a *attempt) error {
	signal := pick(a, []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT})
	a.what = signal.String()
	args := pick(a, victims(a))
	// More of them early: a start has more steps a second.
	when := time.Duration(a.Float64() * a.Float64() * float64(longestLife))
	twice := a.IntN(4) == 0
	o, err := a.call(ctx, call{args: args, most: time.Minute, signal: func(p *os.Process, ended <-chan struct{}) {
		for range 2 {
			select {
			case <-ended:
				return
			case <-time.After(when):
				_ = p.Signal(signal)
			}
			if !twice {
				return
			}
			when /= 8
		}
	}})
	if err != nil {
		return fmt.Errorf("%q, sent %v after %v: %w", args, signal, when, err)
	}
	if err := checkKilled(o, signal); err != nil {
		return fmt.Errorf("%q, sent %v after %v: %w", args, signal, when, err)
	}
	if err := a.noProcessLeft(); err != nil {
		return fmt.Errorf("%q, sent %v after %v: %w", args, signal, when, err)
	}
	sweep, err := a.call(ctx, call{args: []string{"run", "-qemu", a.qemu, "-artifacts", a.path("artifacts"), "bad_dest"}, most: time.Minute})
	if err != nil {
		return fmt.Errorf("the run after %q: %w", args, err)
	}
	if sweep.status != 0 {
		return fmt.Errorf("the run after %q: %v", args, sweep)
	}
	if err := a.nothingLeft(o.text() + sweep.text()); err != nil {
		return fmt.Errorf("after %q, sent %v after %v, and another run: %w", args, signal, when, err)
	}
	return nil
}

// checkKilled says why an ending is not that of a command which was sent the signal, or
// had ended before.
func checkKilled(o *outcome, signal syscall.Signal) error {
	switch {
	case o.signal == 0 && o.status == 0: // it had ended before
		return nil
	case signal == syscall.SIGKILL || signal == syscall.SIGQUIT:
		if o.signal == signal || signal == syscall.SIGQUIT && o.status == 2 {
			return nil // Go prints what it does, and exits with 2
		}
	case panicked(o):
		return fmt.Errorf("panic: %v", o)
	case o.signal == signal: // before it looked for signals, or the second
		return nil
	case o.status == 2:
		return nil
	}
	return fmt.Errorf("ended with %v", o)
}
