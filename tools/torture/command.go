package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// A call is one start of drover.
type call struct {
	args   []string
	env    []string // beside the attempt's own
	stdin  io.Reader
	stdout *os.File // nil to keep what is printed
	within []string // a program and its arguments that start drover
	most   time.Duration
	memory int64 // that it may have resident, in bytes; 0 is mostMemory
	signal func(p *os.Process, ended <-chan struct{})
}

const (
	mostMemory  = 512 << 20
	keptOutput  = 1 << 20
	fakeMode    = "DROVER_TORTURE_FAKE"
	attemptName = "DROVER_TORTURE_ATTEMPT" // by which processes are found that are left
)

// An outcome is what a call has come to.
type outcome struct {
	status int
	signal syscall.Signal // 0 where it exited
	stdout string
	stderr string
	took   time.Duration
}

func (o *outcome) text() string { return o.stdout + o.stderr }

func (o *outcome) String() string {
	how := fmt.Sprintf("exit status %d", o.status)
	if o.signal != 0 {
		how = "signal: " + o.signal.String()
	}
	last := strings.TrimSpace(o.stderr + o.stdout)
	if len(last) > 400 {
		last = last[:400] + "..."
	}
	return fmt.Sprintf("%s after %.1f s: %q", how, o.took.Seconds(), last)
}

// An ending is a buffer that keeps the beginning of what is written.
type beginning struct{ bytes.Buffer }

func (b *beginning) Write(p []byte) (int, error) {
	_, _ = b.Buffer.Write(p[:min(len(p), max(0, keptOutput-b.Len()))])
	return len(p), nil
}

// environment is that of the attempt's commands: nothing of a user's own.
func (a *attempt) environment(more ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, "TMPDIR=" + a.path("tmp"), "DROVER_CACHE=" + a.path("cache"),
		attemptName + "=" + a.dir,
	}
	return append(env, more...)
}

// drover runs a command of it, and demands what holds for every one: that it ends in
// time, by itself, without a panic, with an exit status that it has, in bounded memory,
// and that what it prints is plain text.
func (a *attempt) call(ctx context.Context, c call) (*outcome, error) {
	argv := append(append([]string{}, c.within...), a.drover)
	argv = append(argv, c.args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = a.environment(c.env...), a.dir, c.stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	var stdout, stderr beginning
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	late := false
	timer := time.AfterFunc(c.most, func() {
		late = true
		_ = cmd.Process.Signal(syscall.SIGQUIT) // for a dump of what it does
		time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	})
	signalled := make(chan struct{})
	go func() {
		defer close(signalled)
		if c.signal != nil {
			c.signal(cmd.Process, ended)
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-signalled
	o := &outcome{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(began)}
	state := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if o.status = state.ExitStatus(); state.Signaled() {
		o.signal = state.Signal()
	}
	exit := &exec.ExitError{}
	switch {
	case !timer.Stop() && late:
		return o, fmt.Errorf("had not ended after %v: %v", c.most, o)
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return o, err
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if most := max(c.memory, mostMemory); usage.Maxrss<<10 > most {
		return o, fmt.Errorf("%d MiB of memory were resident, and %d are allowed: %v", usage.Maxrss>>10, most>>20, o)
	}
	if panicked(o) && c.signal == nil {
		return o, fmt.Errorf("panic: %v", o)
	}
	if bad := notPlain(o.text()); bad != "" {
		return o, fmt.Errorf("it prints %s: %v", bad, o)
	}
	if c.signal == nil && (o.signal != 0 || o.status > 2) {
		return o, fmt.Errorf("ended with %v", o)
	}
	return o, nil
}

var panics = regexp.MustCompile(`(?m)^(panic:|fatal error:|goroutine \d+ \[|runtime: |SIGSEGV)`)

func panicked(o *outcome) bool { return panics.MatchString(o.text()) }

// notPlain names the first thing in a text that a terminal would obey.
func notPlain(text string) string {
	for i, c := range text {
		if c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return fmt.Sprintf("the byte %#x, which is no UTF-8", text[i])
		}
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return fmt.Sprintf("the control character %U", c)
		}
	}
	return ""
}

// processesLeft are those that this attempt has started, directly or not, and that live.
func (a *attempt) processesLeft() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environ, []byte(attemptName+"="+a.dir+"\x00")) {
			continue
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err == nil && len(args) > 0 {
			line := strings.ReplaceAll(string(args), "\x00", " ")
			found = append(found, fmt.Sprintf("%s: %.120s", filepath.Base(filepath.Dir(path)), line))
		}
	}
	return found
}

// noProcessLeft waits a moment, in which the kernel ends what has lost its parent.
func (a *attempt) noProcessLeft() error {
	left := a.processesLeft()
	for until := time.Now().Add(10 * time.Second); len(left) > 0 && time.Now().Before(until); left = a.processesLeft() {
		time.Sleep(20 * time.Millisecond)
	}
	if len(left) > 0 {
		return fmt.Errorf("%d processes are left: %s", len(left), strings.Join(left, "; "))
	}
	return nil
}

// nothingLeft demands that the folder for temporary files is empty, that each folder of
// artifacts is named in what was printed, and that no lock is held.
func (a *attempt) nothingLeft(printed string) error {
	if err := a.noProcessLeft(); err != nil {
		return err
	}
	if err := filepath.WalkDir(a.path("tmp"), func(path string, _ os.DirEntry, err error) error {
		if err == nil && path != a.path("tmp") && !strings.Contains(printed, path) {
			err = fmt.Errorf("%s is left", path)
		}
		if err == nil && strings.Contains(printed, path) && path != a.path("tmp") {
			return filepath.SkipDir
		}
		return err
	}); err != nil {
		return err
	}
	artifacts, err := filepath.Glob(a.path("artifacts/*"))
	if err != nil {
		return err
	}
	for _, path := range artifacts {
		if !strings.Contains(printed, path) {
			return fmt.Errorf("the folder %s is left, and nobody was told", path)
		}
	}
	return a.nothingLocked()
}

func (a *attempt) nothingLocked() error {
	return filepath.WalkDir(a.path("cache"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return fmt.Errorf("%s is still locked: %w", path, err)
		}
		return nil
	})
}
