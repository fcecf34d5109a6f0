package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// An environment is one in which drover is started.
type environment struct {
	name  string
	args  func(a *attempt) []string                 // nil for a scenario's run
	set   func(a *attempt, c *call) (func(), error) // what is prepared, and what ends it; may be nil
	allow []int                                     // the exit statuses that are right; empty means 0
	says  string                                    // what has to be printed then, where the status isn't 0
}

// plainRun is a run of two scenarios, of which one is over TCP.
func plainRun(a *attempt) []string {
	return []string{"run", "-qemu", a.qemu, "-artifacts", a.path("artifacts"), "precopy/unix/plain", "precopy/tcp/plain"}
}

func (e environment) try(ctx context.Context, a *attempt) (err error) {
	a.what = e.name
	c := call{most: 90 * time.Second, args: plainRun(a)}
	if e.args != nil {
		c.args = e.args(a)
	}
	if e.set != nil {
		end, err := e.set(a, &c)
		if err != nil {
			return err
		}
		defer end()
	}
	o, err := a.call(ctx, c)
	if err != nil {
		return err
	}
	allow := e.allow
	if len(allow) == 0 {
		allow = []int{0}
	}
	if !slices.Contains(allow, o.status) {
		return fmt.Errorf("expected exit status %v: %v", allow, o)
	}
	if o.status != 0 && !strings.Contains(o.text(), e.says) {
		return fmt.Errorf("expected it to say %q: %v", e.says, o)
	}
	if err := a.untouched(); err != nil {
		return err
	}
	for _, path := range a.made { // what nobody has put anything into
		for ; path != a.path("tmp"); path = filepath.Dir(path) {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("something is left: %w: %v", err, o)
			}
		}
	}
	return a.nothingLeft(o.text())
}

func variable(text string) func(*attempt, *call) (func(), error) {
	return func(_ *attempt, c *call) (func(), error) {
		c.env = append(c.env, text)
		return func() {}, nil
	}
}

// folder sets TMPDIR to a folder of that name, which is made.
func folder(name string) func(*attempt, *call) (func(), error) {
	return func(a *attempt, c *call) (func(), error) {
		path := filepath.Join(a.path("tmp"), name)
		c.env = append(c.env, "TMPDIR="+path)
		a.made = append(a.made, path)
		return func() {}, os.MkdirAll(path, 0o700)
	}
}

// within has drover started by another program, if there is one that can.
func within(argv ...string) func(*attempt, *call) (func(), error) {
	return func(_ *attempt, c *call) (func(), error) {
		c.within = argv
		trial := exec.Command(argv[0], append(slices.Clone(argv[1:]), "true")...)
		if output, err := trial.CombinedOutput(); err != nil {
			return nil, &errNotHere{fmt.Sprintf("%s: %v: %.100s", strings.Join(argv, " "), err, output)}
		}
		return func() {}, nil
	}
}

// limited starts drover below a limit of ulimit.
func limited(flags string) func(*attempt, *call) (func(), error) {
	return within("sh", "-c", "ulimit "+flags+" && exec \"$@\"", "sh")
}

// output sends what drover prints to a file.
func output(path string) func(*attempt, *call) (func(), error) {
	return func(_ *attempt, c *call) (func(), error) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		c.stdout = f
		return func() { _ = f.Close() }, err
	}
}

// others gives drover the home of another user, with a QEMU of that user's in it, and a
// link where a lock would be.
func others(a *attempt, c *call) (func(), error) {
	if os.Getuid() != 0 {
		return nil, &errNotHere{"only root can make another user's home"}
	}
	const nobody = 65534
	home := a.path("home")
	copies := filepath.Join(home, ".cache", "drover", "fleet", "bookworm", "bin")
	host, err := os.Hostname()
	slots := filepath.Join(home, ".cache", "drover", "slots", host)
	precious, ran := a.path("precious"), a.path("ran")
	err = errors.Join(
		err, os.MkdirAll(copies, 0o755), os.MkdirAll(slots, 0o755), os.WriteFile(precious, []byte("precious"), 0o600),
		os.WriteFile(filepath.Join(copies, fakeName), []byte("#!/bin/sh\n:>'"+ran+"'\n"), 0o755),
		os.Symlink(precious, filepath.Join(slots, "slot-0")), os.Symlink(a.path("dangling"), filepath.Join(slots, "slot-1")),
		filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, nobody, nobody))
		}),
	)
	c.env = append(c.env, "HOME="+home, "DROVER_CACHE=")
	a.others = []string{precious, ran, a.path("dangling")}
	return func() {}, err
}

// stopped stops drover, as Ctrl-Z does, for longer than a step may take.
func stopped(a *attempt, c *call) (func(), error) {
	after := time.Duration(300+a.IntN(600)) * time.Millisecond
	c.signal = func(p *os.Process, ended <-chan struct{}) {
		for _, s := range []struct {
			after  time.Duration
			signal syscall.Signal
		}{{after, syscall.SIGSTOP}, {12 * time.Second, syscall.SIGCONT}} {
			select {
			case <-ended:
				return
			case <-time.After(s.after):
				_ = p.Signal(s.signal)
			}
		}
	}
	return func() {}, nil
}

// environments are all there are.
func environments() []environment {
	list := func(*attempt) []string { return []string{"list", "-v"} }
	doctor := func(*attempt) []string { return []string{"doctor"} }
	badDest := func(a *attempt) []string {
		return []string{"run", "-qemu", a.qemu, "-artifacts", a.path("artifacts"), "bad_dest"}
	}
	preflight := func(a *attempt) []string { return []string{"preflight", a.qemu, a.qemu} }
	either, anyStatus := []int{0, 2}, []int{0, 1, 2} // doctor's 1 is about the host
	all := []environment{
		{name: "as it should be"},
		{name: "TMPDIR long", set: folder(strings.Repeat("x", 150))},
		{name: "TMPDIR deep", set: folder(strings.Repeat("y/", 100))},
		{name: "TMPDIR long, preflight", set: folder(strings.Repeat("x", 150)), args: preflight},
		{name: "TMPDIR with commas, quotes, blanks, stars", set: folder(`a,b "c" 'd' *[e] {f} $g;h`)},
		{name: "TMPDIR not UTF-8", set: folder("\xff\xfe")},
		{name: "TMPDIR with a newline and an escape", set: folder("a\nb\x1b[31m")},
		{name: "TMPDIR missing", set: variable("TMPDIR=/nowhere/at/all"), allow: []int{2}, says: "TMPDIR"},
		{name: "TMPDIR missing, preflight", set: variable("TMPDIR=/nowhere/at/all"), args: preflight, allow: []int{2}, says: "TMPDIR"},
		{name: "TMPDIR not writable", set: variable("TMPDIR=/proc"), allow: []int{2}, says: "TMPDIR"},
		{name: "TMPDIR a file", set: variable("TMPDIR=/etc/passwd"), allow: []int{2}, says: "TMPDIR"},
		{name: "TMPDIR empty", set: variable("TMPDIR=")},
		{name: "HOME of another user", set: others, allow: either},
		{name: "HOME of another user, doctor", set: others, args: doctor, allow: anyStatus},
		{name: "HOME missing", set: variable("HOME=/nowhere")},
		{name: "HOME and DROVER_CACHE empty", set: within("env", "-u", "HOME", "-u", "DROVER_CACHE"), allow: either},
		{name: "DROVER_CACHE not writable", set: variable("DROVER_CACHE=/proc/drover"), allow: either},
		{name: "DROVER_CACHE a file", set: variable("DROVER_CACHE=/etc/passwd"), allow: either},
		{name: "no loopback", set: within("unshare", "-rn")},
		{name: "no loopback, doctor", set: within("unshare", "-rn"), args: doctor, allow: anyStatus},
		{name: "no loopback, preflight", set: within("unshare", "-rn"), args: preflight},
		{name: "stdout full", set: output("/dev/full"), args: badDest, allow: []int{2}, says: "no space left"},
		{name: "stdout full, list", set: output("/dev/full"), args: list, allow: []int{2}, says: "no space left"},
		{name: "stdout full, doctor", set: output("/dev/full"), args: doctor, allow: []int{2}, says: "no space left"},
		{name: "stdout closed", set: within("sh", "-c", `exec "$@" >&-`, "sh"), args: badDest, allow: either},
		{name: "stdout closed, list", set: within("sh", "-c", `exec "$@" >&-`, "sh"), args: list, allow: either},
		{name: "stdout and stderr closed", set: within("sh", "-c", `exec "$@" >&- 2>&-`, "sh"), args: badDest, allow: either},
		{name: "stdin, stdout and stderr closed", set: within("sh", "-c", `exec "$@" <&- >&- 2>&-`, "sh"), args: badDest, allow: either},
		{name: "a pipe that nobody reads", set: within("sh", "-c", `"$@" | true`, "sh"), args: list},
		{name: "TERM=dumb", set: variable("TERM=dumb")},
		{name: "TERM missing", set: variable("TERM=no-such-terminal")},
		{name: "locale Turkish", set: variable("LC_ALL=tr_TR.UTF-8")},
		{name: "locale unknown", set: variable("LC_ALL=xx_YY.nonsense")},
		{name: "locale not UTF-8", set: variable("LC_ALL=ja_JP.EUC-JP"), args: doctor, allow: anyStatus},
		{name: "24 open files", set: limited("-n 24"), allow: either},
		{name: "16 open files", set: limited("-n 16"), allow: either},
		{name: "files of 0 bytes", set: limited("-f 0"), allow: either},
		{name: "files of 64 KiB", set: limited("-f 128"), allow: either},
		{name: "4 GiB of addresses", set: limited("-v 4194304"), allow: either},
		{name: "2 GiB of addresses", set: limited("-v 2097152"), allow: either},
		{name: "no core dumps", set: limited("-c 0")},
		{name: "no locked memory", set: limited("-l 0")},
		{name: "signals ignored", set: within("sh", "-c", `trap '' INT TERM HUP PIPE CHLD; exec "$@"`, "sh")},
		{name: "umask 777", set: within("sh", "-c", `umask 777; exec "$@"`, "sh"), allow: either},
		{name: "umask 000", set: within("sh", "-c", `umask 000; exec "$@"`, "sh")},
		{name: "a folder that is gone", set: within("sh", "-c", `mkdir gone && cd gone && rmdir ../gone && exec "$@"`, "sh")},
		{name: "nice 19", set: within("nice", "-n", "19"), allow: either},
		{name: "one CPU", set: within("taskset", "-c", "0")},
		{name: "a session of its own", set: within("setsid", "-w")},
		{name: "PATH empty", set: variable("PATH=")},
		{name: "stopped for 12 s", set: stopped, allow: either}, // 2 where a QEMU was just asked for its version
		{name: "GODEBUG odd", set: variable("GODEBUG=netdns=cgo,madvdontneed=1")},
	}
	return all
}

// untouched demands that files of somebody else's choice were neither changed nor run.
func (a *attempt) untouched() error {
	if len(a.others) == 0 {
		return nil
	}
	if text, err := os.ReadFile(a.others[0]); err != nil || string(text) != "precious" {
		return fmt.Errorf("a file that another user's link led to has been changed: %q, %w", text, err)
	}
	for _, path := range a.others[1:] {
		if _, err := os.Lstat(path); !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("%s is there: another user's program was run, or link followed", path)
		}
	}
	return nil
}
