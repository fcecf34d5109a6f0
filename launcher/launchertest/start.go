package launchertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
)

// Start starts a QEMU for a test, a benchmark or a fuzz target, and ends it when that
// is over. A QEMU that does not start is fatal to the test, and so is a Config that
// can't be; like t.Fatal, Start must be called from the test's own goroutine. Start may
// be called several times in a test, and from parallel ones: see launcher.Reserve for
// VMs that need each other.
//
// # Which QEMU
//
// Config.Binary, if it is set. Else the one that DROVER_QEMU or QTEST_QEMU_BINARY names,
// or, where that is called qemu-system-ARCH for another target than Config.Arch (empty
// means x86_64), the one for Config.Arch beside it; else qemu-system-ARCH from PATH. Where
// there is none, or Config.Binary is a name that is not in PATH, the test is skipped
// with the way to get one; with DROVER_CI=1 in the environment it fails instead: a
// machine that is set up for the tests has a QEMU. The private copies of "drover fleet"
// are used if DROVER_QEMU names one: DROVER_QEMU=$(drover fleet ensure x86_64).
//
// # What is kept
//
// Config.Dir, where it is empty, becomes t.ArtifactDir(). In it are NAME.cmd, the command
// line as a person pastes it into a shell (launcher.VM.SaveCommand), and what
// launcher.Config.Dir lists. A second VM of one name in one folder is renamed:
// "vm", "vm-2". The folder outlives the test where it runs with -artifacts.
//
// What the guest writes to its console goes to t.Output(), line by line and as
// printable text, at most 256 KiB of it: it is seen with -v, or when the test has failed.
//
// # How it ends
//
// At the test's cleanup, before what was registered earlier, the VM is closed. The test
// fails where that returns an error: QEMU crashed, at any time, or had to be forced to
// end. A VM that the test has ended by Quit, Kill or Close is left alone, unless its
// end was such an error; for a QEMU that is meant to crash there is launcher.Launch.
//
// A test that runs into the limit of "go test -timeout" has its VM killed a moment before,
// so that its waits end and the test says what the guest was doing.
func Start(t testing.TB, config launcher.Config) *launcher.VM {
	t.Helper()
	config.Binary = binary(t, config)
	config.Arch = archOf(config)
	if config.Dir == "" {
		config.Dir = t.ArtifactDir()
	}
	var err error
	if config.Name, err = reserveName(config.Dir, config.Name); err != nil {
		t.Fatalf("launchertest: a file for the console: %v", err)
	}
	ctx, cancel := untilDeadline(t)
	vm, err := launcher.Launch(ctx, config)
	if err != nil {
		cancel()
		t.Fatalf("launchertest: %v", err)
	}
	show := follow(vm, t.Output())
	t.Cleanup(func() {
		t.Helper()
		defer cancel()
		if err := vm.Close(); err != nil {
			t.Errorf("launchertest: %s did not end cleanly: %v", config.Name, err)
		}
		show.Wait()
		if t.Failed() {
			afterwards(t, vm, config.Dir)
		}
	})
	if err := vm.SaveCommand(config.Dir); err != nil {
		t.Fatalf("launchertest: saving the command line: %v", err)
	}
	return vm
}

// reserveName returns the name under which a VM's files in dir are its own. The file
// that it makes is the console's.
func reserveName(dir, name string) (string, error) {
	if name == "" {
		name = "vm"
	}
	for n, tried := 1, name; ; tried = fmt.Sprintf("%s-%d", name, n) {
		f, err := os.OpenFile(filepath.Join(dir, tried+".console"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			if err != nil {
				return "", err
			}
			return tried, f.Close()
		}
		n++
	}
}

// untilDeadline returns the context that the VM lives in. It outlives t.Context, which
// ends before the cleanups do, and ends somewhat before the test binary is aborted.
func untilDeadline(t testing.TB) (context.Context, context.CancelFunc) {
	ctx := context.WithoutCancel(t.Context())
	if t, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := t.Deadline(); ok {
			return context.WithDeadlineCause(ctx, end.Add(-grace(time.Until(end))), errDeadline)
		}
	}
	return context.WithCancel(ctx)
}

var errDeadline = errors.New("the time that \"go test -timeout\" gives is nearly over")

// grace is the part of the time left that ending the VM and printing may take.
func grace(left time.Duration) time.Duration {
	return min(max(left/20, 100*time.Millisecond), 5*time.Second)
}

// afterwards prints what helps where a test has failed.
func afterwards(t testing.TB, vm *launcher.VM, dir string) {
	t.Helper()
	if stderr := strings.TrimSpace(vm.Stderr()); stderr != "" {
		t.Logf("launchertest: %s wrote to its error output:\n%s", vm.Name(), plain.Lines(stderr))
	}
	if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
		t.Logf("launchertest: the command line, console and transcripts of %s are in %s", vm.Name(), dir)
		return
	}
	t.Logf("launchertest: \"go test -artifacts\" keeps the command line, console and transcripts of %s", vm.Name())
}
