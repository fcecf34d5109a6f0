package launcher_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// childEnd is the variable that makes this test binary a program that starts a
// QEMU and ends in the way that its value says.
const childEnd = "DROVER_TEST_CHILD_END"

func TestMain(m *testing.M) {
	fakeprocess.Main()
	if how := os.Getenv(childEnd); how != "" {
		endAs(how)
		return
	}
	// Whatever else runs on this machine, these tests don't wait for it.
	_ = os.Setenv(launcher.SlotsVariable, "0")
	goleak.VerifyTestMain(m)
}

// endAs starts a QEMU, prints its process id, and ends without closing it.
func endAs(how string) {
	if how == "reserve" {
		r, err := launcher.Reserve(context.Background(), launcher.Config{})
		fmt.Println(err)
		for range time.Tick(time.Hour) { // the collector closes the files of what nobody has any more
			runtime.KeepAlive(r)
		}
	}
	if how == "contend" {
		for i := range 200 {
			r, err := launcher.Reserve(context.Background(), make([]launcher.Config, 1+i%2)...)
			if err != nil {
				panic(err)
			}
			_, _ = os.ReadDir("/proc") // others have to wait
			r.Release()
		}
		return
	}
	if how == "folder" {
		f, err := launcher.NewPrivateFolder()
		if err != nil {
			panic(err)
		}
		fmt.Println(f.Path())
		select {}
	}
	if how == "artifacts" { // one that is kept, and one that isn't
		kept, err := launcher.NewArtifactFolder("", "kept")
		if err == nil {
			err = kept.Keep()
		}
		if err != nil {
			panic(err)
		}
		other, err := launcher.NewArtifactFolder("", "x86_64-other")
		if err != nil {
			panic(err)
		}
		fmt.Println(kept.Path(), other.Path())
		select {}
	}
	config := launcher.Config{Machine: "none"}
	if how == "backend" {
		config = aBackend(os.TempDir(), untilKilled)
	}
	vm, err := launcher.Launch(context.Background(), config)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(vm.PID())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the test looks
	switch how {
	case "panic":
		panic("as a test may")
	case "panic in a goroutine":
		go panic("as a test may")
		select {}
	case "exit":
		os.Exit(0)
	case "signal":
		_, _ = io.Copy(io.Discard, os.Stdin) // which ends with the test, should the signal not end us
	}
}

// ended waits until a process is only a zombie, for its new parent to reap.
func ended(t *testing.T, pidfd int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1, n, "it still runs")
		return
	}
}

func TestNothingIsLeftHoweverWeEnd(t *testing.T) {
	// A child of one who ignores a hangup, as under nohup, does so too, and would not end.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		for _, end := range []struct {
			how    string
			signal syscall.Signal
		}{
			{"panic", 0},
			{"panic in a goroutine", 0},
			{"exit", 0},
			{"return from main", 0},
			{"signal", syscall.SIGTERM},
			{"signal", syscall.SIGINT},
			{"signal", syscall.SIGHUP},
			{"signal", syscall.SIGKILL},
		} {
			t.Run(qemutest.Version(t, binary)+"/"+end.how+"/"+end.signal.String(), func(t *testing.T) {
				t.Parallel()
				temporary := t.TempDir()
				within, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				child := exec.CommandContext(within, os.Args[0])
				child.Env = append(os.Environ(), childEnd+"="+end.how, "TMPDIR="+temporary, "PATH="+asQEMU(t, binary)+":"+os.Getenv("PATH"))
				in, err := child.StdinPipe()
				require.NoError(t, err)
				out, err := child.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, child.Start())
				output, err := bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err)
				pid, err := strconv.Atoi(strings.TrimSpace(output))
				require.NoError(t, err, output)
				pidfd, err := unix.PidfdOpen(pid, 0)
				require.NoError(t, err)
				defer unix.Close(pidfd)

				_, err = in.Write([]byte("\n"))
				require.NoError(t, err)
				if end.signal != 0 {
					require.NoError(t, child.Process.Signal(end.signal))
				}
				_ = child.Wait()
				require.NoError(t, within.Err(), "it does not end")
				ended(t, pidfd)
				left, err := os.ReadDir(temporary)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}

// asQEMU makes a folder for PATH in which the binary has the usual name.
func asQEMU(t *testing.T, binary string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(dir, "qemu-system-x86_64")))
	return dir
}

func TestEveryEndIsCompleteAndSaysHow(t *testing.T) {
	send := func(s syscall.Signal) func(*launcher.VM) {
		return func(vm *launcher.VM) { _ = syscall.Kill(vm.PID(), s) }
	}
	closeIt := func(vm *launcher.VM) { _ = vm.Close() }
	for name, end := range map[string]struct {
		cause  error         // what ends the context once QEMU is there
		quit   time.Duration // timeout; 0 = as ever
		do     func(*launcher.VM)
		closed []string // words of Close's error; nil = there is none
		waiter []string // words of the error of one who waited
	}{
		"close":             {do: closeIt, waiter: []string{"exit status 0", `"execute":"quit"`}},
		"kill":              {do: func(vm *launcher.VM) { _ = vm.Kill() }, waiter: []string{"killed", "Kill"}},
		"quit by another":   {do: func(vm *launcher.VM) { _ = vm.QMP().Execute(context.Background(), "quit", nil, nil) }, waiter: []string{"exit status 0"}},
		"context times out": {cause: context.DeadlineExceeded, do: func(vm *launcher.VM) { <-vm.Exited() }, waiter: []string{"killed", "its context ended", "deadline"}},
		"SIGTERM":           {do: send(syscall.SIGTERM), waiter: []string{"exit status 0"}},
		"SIGSEGV":           {do: send(syscall.SIGSEGV), closed: []string{"segmentation fault"}, waiter: []string{"segmentation fault", "last on its monitor"}},
		"SIGABRT":           {do: send(syscall.SIGABRT), closed: []string{"aborted"}, waiter: []string{"aborted"}},
		"SIGKILL":           {do: send(syscall.SIGKILL), closed: []string{"killed"}, waiter: []string{"killed"}},
		"stopped":           {quit: 200 * time.Millisecond, do: func(vm *launcher.VM) { _ = syscall.Kill(vm.PID(), syscall.SIGSTOP); _ = vm.Close() }, closed: []string{"forced to end", "200ms after quit"}, waiter: []string{"forced"}},
	} {
		for _, binary := range qemutest.Binaries(t, "x86_64") {
			t.Run(name+"/"+qemutest.Version(t, binary), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				dir := t.TempDir()
				vm, err := launcher.Launch(ctx, launcher.Config{
					Binary: binary, Machine: "none", QuitTimeout: end.quit, Attach: filepath.Join(dir, "a"),
				})
				require.NoError(t, err)
				waited := make(chan error)
				go func() { _, err := vm.Console().Wait(context.Background(), 0, "never"); waited <- err }()

				if end.cause != nil {
					cancel(end.cause)
				}
				end.do(vm)
				waiter := <-waited
				closed := vm.Close()
				for _, word := range end.waiter {
					require.ErrorContains(t, waiter, word)
				}
				_, ok := errors.AsType[*launcher.ExitError](waiter)
				require.True(t, ok)
				if end.closed == nil {
					require.NoError(t, closed)
				}
				for _, word := range end.closed {
					require.ErrorContains(t, closed, word)
				}
				require.NoDirExists(t, "/proc/"+strconv.Itoa(vm.PID()))
				left, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}

// A main loop that hangs doesn't carry out quit. SIGTERM ends a system call, so
// the one that ignores it is a shell around it.
func TestWhoHearsNothingIsKilledInItsTime(t *testing.T) {
	t.Parallel()
	wrapper := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	text := fmt.Sprintf("#!/bin/sh\ntrap '' TERM\n%s \"$@\"\n", qemutest.Binary(t, "x86_64"))
	require.NoError(t, os.WriteFile(wrapper, []byte(text), 0o700))
	vm := launchAnyEnd(t, launcher.Config{Binary: wrapper, QuitTimeout: 300 * time.Millisecond, TermTimeout: 200 * time.Millisecond})
	hangMainLoop(t, vm)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", vm.PID()))
	if err != nil {
		t.Skip("this kernel doesn't list children (CONFIG_PROC_CHILDREN)")
	}
	qemu, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	pidfd, err := unix.PidfdOpen(qemu, 0)
	require.NoError(t, err)
	defer unix.Close(pidfd)

	began := time.Now()
	err = vm.Close()
	require.ErrorContains(t, err, "forced to end")
	exit, ok := errors.AsType[*launcher.ExitError](err)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, exit.Signal())
	require.GreaterOrEqual(t, time.Since(began), 500*time.Millisecond)
	require.Less(t, time.Since(began), testPatience)
	ended(t, pidfd)
}

// hangMainLoop has QEMU open a pipe that nobody reads.
func hangMainLoop(t *testing.T, vm *launcher.VM) {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	arguments := map[string]any{"val": 0, "size": 4096, "filename": pipe}
	require.ErrorIs(t, vm.QMP().Execute(ctx, "pmemsave", arguments, nil), context.DeadlineExceeded)
}

// stop stops a QEMU, and returns when all its threads stand.
func stop(t *testing.T, vm *launcher.VM) {
	t.Helper()
	require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", vm.PID()))
		require.NoError(t, err)
		for _, thread := range threads {
			if stat, err := os.ReadFile(thread); err == nil && !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return true
	}, testPatience, poll)
}

// launchAnyEnd is launch for tests that don't mind how their QEMU ends.
func launchAnyEnd(t *testing.T, c launcher.Config) *launcher.VM {
	t.Helper()
	if c.Binary == "" {
		c.Binary = qemutest.Binary(t, "x86_64")
	}
	vm, err := launcher.Launch(context.Background(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = vm.Kill()
		require.NoDirExists(t, "/proc/"+strconv.Itoa(vm.PID()))
	})
	return vm
}

// A program that left QEMU's process group, and holds its streams open, can't
// make anybody wait.
func TestStreamsEndWithQEMUThoughAnotherHoldsThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wrapper := filepath.Join(dir, "qemu-system-x86_64")
	text := fmt.Sprintf("#!/bin/sh\ncase $1 in -name) setsid sleep 600 & echo $! >%s/pid;; esac\nexec %s \"$@\"\n", dir, qemutest.Binary(t, "x86_64"))
	require.NoError(t, os.WriteFile(wrapper, []byte(text), 0o700))
	vm := launchAnyEnd(t, launcher.Config{Binary: wrapper, Machine: "none"})
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	survivor, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	require.NoError(t, err)
	defer func() { _ = syscall.Kill(survivor, syscall.SIGKILL) }()

	require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGKILL))
	began := time.Now()
	_, err = vm.QMP().Wait(t.Context(), vm.QMP().Mark(), "NEVER")
	exit, ok := errors.AsType[*launcher.ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, syscall.SIGKILL, exit.Signal())
	require.Error(t, vm.Close())
	require.Less(t, time.Since(began), testPatience)
	require.NoError(t, syscall.Kill(survivor, 0), "the test is about one that survives")
}

func TestHundredsOfStartsAndKillsLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("200 QEMUs take a while; leave out -short")
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	binary := qemutest.Binary(t, "x86_64")
	before := entries(t, "/proc/self/fd")
	const rounds, atOnce = 50, 4
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range rounds {
				vm, err := launcher.Launch(context.Background(), launcher.Config{Binary: binary, Machine: "none"})
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					_ = syscall.Kill(vm.PID(), syscall.SIGKILL)
				}
				_ = vm.Kill()
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, entries(t, "/proc/self/fd"), before)
	require.Zero(t, entries(t, temporary))
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err == nil { // the kernel may not have it
		require.Empty(t, strings.TrimSpace(string(children)))
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(list)
}
