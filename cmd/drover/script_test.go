package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/plain"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"drover": main})
}

// leakChecked fails where a goroutine outlives the tests.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// TestScripts runs the scripts in testdata/script. Where a QEMU is there, the
// condition [qemu] holds, and DROVER_QEMU names it; where this user can make a network
// namespace, [unshare] does.
func TestScripts(t *testing.T) {
	qemu, missing := fleet.Find("x86_64", fleet.Either, nil)
	if missing != nil && os.Getenv("DROVER_CI") == "1" {
		t.Fatal(missing)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			if missing == nil {
				env.Setenv("DROVER_QEMU", qemu.Path)
			}
			self, err := exec.LookPath("drover") // testscript has put it into PATH
			if err != nil {
				return err
			}
			env.Setenv("DROVER", self)
			env.Setenv("TMPDIR", env.WorkDir+"/tmp")
			env.Setenv("DROVER_CACHE", env.WorkDir+"/cache")
			return os.Mkdir(env.WorkDir+"/tmp", 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name == "unshare" {
				return exec.Command("unshare", "-rn", "true").Run() == nil, nil
			}
			return name == "qemu" && missing == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "empty": empty, "plain": onlyPlain},
	})
}

// exits runs a command and demands its exit status: exits 2 drover nonsense.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARG ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	status := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if status != want {
		ts.Fatalf("exit status %d, expected %d", status, want)
	}
}

// onlyPlain demands that neither output of the last command has anything in it that a
// terminal obeys.
func onlyPlain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: plain")
	}
	for _, name := range []string{"stdout", "stderr"} {
		if text := ts.ReadFile(name); text != plain.Lines(text) {
			ts.Fatalf("%s holds what a terminal obeys: %q", name, text)
		}
	}
}

// empty demands that a folder holds nothing.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if neg == (len(entries) == 0) {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}
