package launchertest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/fakeqemu"
)

// A recorder stands in for the test that is given to Start, and notes what becomes of it.
type recorder struct {
	testing.TB // whose methods serve where the recorder has none of its own
	ctx        context.Context
	dir        string
	end        time.Time

	mu       sync.Mutex
	log      bytes.Buffer
	output   bytes.Buffer
	failed   bool
	skipped  bool
	cleanups []func()
}

// during runs body as a test of its own, with its cleanups.
func during(t *testing.T, body func(r *recorder)) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{TB: t, ctx: ctx, dir: t.TempDir()}
	inGoroutine := func(f func()) {
		var group sync.WaitGroup
		group.Go(f)
		group.Wait()
	}
	inGoroutine(func() { body(r) })
	cancel() // as the testing package does before the cleanups
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		inGoroutine(r.cleanups[i])
	}
	return r
}

func (r *recorder) Context() context.Context    { return r.ctx }
func (r *recorder) Deadline() (time.Time, bool) { return r.end, !r.end.IsZero() }
func (r *recorder) ArtifactDir() string         { return r.dir }
func (r *recorder) Helper()                     {}
func (r *recorder) Cleanup(f func())            { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(f string, args ...any)  { fmt.Fprintf(&r.log, f+"\n", args...) }

func (r *recorder) Errorf(f string, args ...any) {
	r.Logf(f, args...)
	r.failed = true
}

func (r *recorder) Fatalf(f string, args ...any) {
	r.Errorf(f, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(f string, args ...any) {
	r.Logf(f, args...)
	r.skipped = true
	runtime.Goexit()
}

func (r *recorder) Failed() bool { return r.failed }

func (r *recorder) Output() io.Writer { return lockedWriter{r} }

type lockedWriter struct{ r *recorder }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.output.Write(p)
}

func fake(t *testing.T, script func(p *fakeprocess.Process)) launcher.Config {
	return launcher.Config{Binary: fakeprocess.Binary(t, script), MemoryMiB: 2}
}

func quiet(*fakeprocess.Process) {}

func TestVMEndsWithItsTest(t *testing.T) {
	var vm *launcher.VM
	r := during(t, func(r *recorder) {
		vm = launchertest.Start(r, fake(t, func(p *fakeprocess.Process) {
			go func() { _, _ = p.Console.Write([]byte("hello\nwor\x1bld")) }()
		}))
		_, err := vm.Console().Wait(t.Context(), 0, "ld")
		require.NoError(t, err)
		require.Nil(t, vm.ExitState())
	})
	require.False(t, r.failed, r.log.String())
	require.NotNil(t, vm.ExitState())
	require.True(t, vm.ExitState().Success(), "it was asked to quit, not killed with t.Context")
	require.Equal(t, "vm| hello\nvm| wor\\x1bld\n", r.output.String())
	require.Empty(t, r.log.String())
	for _, name := range []string{"vm.cmd", "vm.console", "vm.console.cast", "vm.stderr", "vm.qmp", "vm.qtest"} {
		require.FileExists(t, filepath.Join(r.dir, name))
	}
	command, err := os.ReadFile(filepath.Join(r.dir, "vm.cmd"))
	require.NoError(t, err)
	require.Contains(t, string(command), vm.Binary())
}

func TestTwoVMsOfATestHaveFilesOfTheirOwn(t *testing.T) {
	r := during(t, func(r *recorder) {
		for _, want := range []string{"vm", "vm-2", "vm-3"} {
			require.Equal(t, want, launchertest.Start(r, fake(t, quiet)).Name())
		}
		c := fake(t, quiet)
		c.Name = "source"
		require.Equal(t, "source", launchertest.Start(r, c).Name())
	})
	require.False(t, r.failed, r.log.String())
	require.FileExists(t, filepath.Join(r.dir, "vm-3.qmp"))
	require.FileExists(t, filepath.Join(r.dir, "source.cmd"))
}

func TestFilesGoWhereTheConfigSays(t *testing.T) {
	dir := t.TempDir()
	during(t, func(r *recorder) {
		c := fake(t, quiet)
		c.Dir = dir
		launchertest.Start(r, c)
	})
	require.FileExists(t, filepath.Join(dir, "vm.cmd"))
}

func TestTestFailsWhoseVM(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(p *fakeprocess.Process)
		body   func(t *testing.T, vm *launcher.VM)
		want   string
	}{
		{"crashed", quiet, nil, "did not end cleanly"},
		{"had to be forced to end", func(p *fakeprocess.Process) {
			p.Handle("quit", func(fakeqemu.Command) (any, error) { return nil, &fakeqemu.Error{Desc: "not now"} })
		}, func(*testing.T, *launcher.VM) {}, "it was forced to end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			started := make(chan *fakeprocess.Process, 1)
			r := during(t, func(r *recorder) {
				config := fake(t, func(p *fakeprocess.Process) { c.script(p); started <- p })
				config.QuitTimeout = 100 * time.Millisecond
				vm := launchertest.Start(r, config)
				if c.body == nil {
					(<-started).Exit(3)
					<-vm.Exited()
				}
			})
			require.True(t, r.failed)
			require.Contains(t, r.log.String(), c.want)
			require.Contains(t, r.log.String(), `"go test -artifacts" keeps`)
		})
	}
}

func TestVMThatTheTestEndedIsNoFailure(t *testing.T) {
	for name, end := range map[string]func(vm *launcher.VM) error{
		"Quit":  func(vm *launcher.VM) error { return vm.Quit(t.Context()) },
		"Kill":  (*launcher.VM).Kill,
		"Close": (*launcher.VM).Close,
	} {
		t.Run(name, func(t *testing.T) {
			r := during(t, func(r *recorder) { require.NoError(t, end(launchertest.Start(r, fake(t, quiet)))) })
			require.False(t, r.failed, r.log.String())
		})
	}
}

func TestTimeThatIsNearlyOverEndsTheVM(t *testing.T) {
	r := during(t, func(r *recorder) {
		config := fake(t, quiet)
		config.Known = &probe.Known{}
		_, err := launcher.Identify(t.Context(), config)
		require.NoError(t, err)
		r.end = time.Now().Add(3 * time.Second)
		vm := launchertest.Start(r, config)
		_, err = vm.Console().Wait(t.Context(), 0, "what never comes")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "-timeout")
		require.True(t, time.Now().Before(r.end))
	})
	require.False(t, r.failed, "the VM was killed on purpose: %s", r.log.String())
}

func TestStartThatFailsIsFatal(t *testing.T) {
	for _, c := range []struct {
		name   string
		config launcher.Config
		want   string
	}{
		{"a path that isn't there", launcher.Config{Binary: "/nowhere/qemu"}, "there is no /nowhere/qemu"},
		{"a configuration that can't be", launcher.Config{Binary: "/bin/sh", Name: "a/b"}, "a/b"},
		{"no QEMU", launcher.Config{Binary: "/bin/false"}, "/bin/false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := during(t, func(r *recorder) {
				launchertest.Start(r, c.config)
				t.Error("it came back")
			})
			require.True(t, r.failed)
			require.Contains(t, r.log.String(), c.want)
		})
	}
}

func TestNoQEMUIsASkipWithTheWayToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DROVER_QEMU", "")
	t.Setenv("QTEST_QEMU_BINARY", "")
	requireSkip(t, func(r *recorder) { launchertest.Start(r, launcher.Config{}) }, "no qemu-system-x86_64 here: name one in DROVER_QEMU")
}

// requireSkip demands that a test is skipped, with a remedy, for something that isn't here, and
// fails where DROVER_CI=1 says that it is.
func requireSkip(t *testing.T, start func(r *recorder), remedy string) {
	t.Helper()
	t.Setenv("DROVER_CI", "")
	r := during(t, start)
	require.True(t, r.skipped)
	require.False(t, r.failed)
	require.Contains(t, r.log.String(), remedy)

	t.Setenv("DROVER_CI", "1")
	r = during(t, start)
	require.True(t, r.failed)
	require.Contains(t, r.log.String(), "DROVER_CI=1 says that it is here")
}

func TestConsoleThatIsVeryLongIsCutOff(t *testing.T) {
	const length = 300 << 10
	r := during(t, func(r *recorder) {
		vm := launchertest.Start(r, fake(t, func(p *fakeprocess.Process) {
			go func() { _, _ = p.Console.Write([]byte(strings.Repeat("x", length) + "end")) }()
		}))
		_, err := vm.Console().Wait(t.Context(), 0, "end")
		require.NoError(t, err)
	})
	require.Less(t, r.output.Len(), 270<<10)
	require.Contains(t, r.output.String(), "is in the file of the console")
	info, err := os.Stat(filepath.Join(r.dir, "vm.console"))
	require.NoError(t, err)
	require.Equal(t, int64(length+3), info.Size())
}

func TestFirmwareBootsOnARealQEMU(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			t.Setenv("DROVER_QEMU", binary)
			vm := launchertest.Start(t, launcher.Config{Machine: "q35,graphics=off"})
			_, err := vm.Console().Wait(t.Context(), 0, "SeaBIOS")
			require.NoError(t, err)
		})
	}
}

func BenchmarkStart(b *testing.B) {
	b.Setenv("DROVER_QEMU", qemutest.Binary(b, "x86_64"))
	for b.Loop() {
		require.NoError(b, launchertest.Start(b, launcher.Config{Machine: "none"}).Close())
	}
}
