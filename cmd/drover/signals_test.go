package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// aSecond is how long a command may take to end after the first signal, on a machine that
// has other things to do as well.
const aSecond = 5 * time.Second

// hangingQEMU is a program that hangs when it is asked for its version, and writes a file
// before that.
func hangingQEMU(t *testing.T) (path, asked string) {
	t.Helper()
	asked = filepath.Join(t.TempDir(), "asked")
	path = filepath.Join(t.TempDir(), "qemu-system-x86_64")
	script := fmt.Sprintf("#!/bin/sh\ntrap '' TERM INT HUP\n: >'%s'\nexec sleep 3600\n", asked)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path, asked
}

// inBackground starts drover with the files given, and returns what it prints to its
// standard error once it has ended.
func inBackground(t *testing.T, stdin, stdout *os.File, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	stderr := &bytes.Buffer{}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"drover"}, args...), Stdin: stdin, Stdout: stdout, Stderr: stderr}
	cmd.Env = append(os.Environ(), append([]string{"TMPDIR=" + t.TempDir(), "DROVER_CACHE=" + t.TempDir(), "DROVER_FLEET="}, env...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return cmd, stderr
}

// endsAfter demands that a signal ends the process soon, and returns its exit status.
func endsAfter(t *testing.T, cmd *exec.Cmd, signal os.Signal) int {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(signal))
	timer := time.AfterFunc(aSecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.False(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "it had not ended after %v", aSecond)
	return cmd.ProcessState.ExitCode()
}

// readsAll returns when the process has read all that is in the pipe, or has ended.
func readsAll(t *testing.T, cmd *exec.Cmd, pipe *os.File) {
	t.Helper()
	require.Eventually(t, func() bool {
		waiting, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		require.NoError(t, err)
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return waiting == 0 || strings.Contains(string(stat), ") Z ")
	}, time.Minute, time.Millisecond)
}

func signals() []syscall.Signal {
	all := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup, which a command is to survive
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func TestFirstSignalEndsACommandThatReads(t *testing.T) {
	for _, signal := range signals() {
		for _, c := range []struct{ command, file string }{{"inspect", ""}, {"inspect", "-"}, {"judge", ""}} {
			t.Run(fmt.Sprint(signal, c), func(t *testing.T) {
				t.Parallel()
				fifo := filepath.Join(t.TempDir(), "fifo")
				require.NoError(t, unix.Mkfifo(fifo, 0o600))
				both, err := os.OpenFile(fifo, os.O_RDWR, 0)
				require.NoError(t, err)
				defer both.Close()
				_, err = both.WriteString("QE")
				require.NoError(t, err)
				cmd, stderr := inBackground(t, both, nil, nil, c.command, cmp.Or(c.file, fifo))
				readsAll(t, cmd, both)
				require.Equal(t, exitCannotRun, endsAfter(t, cmd, signal), stderr)
				require.Contains(t, stderr.String(), "drover: ")
			})
		}
	}
}

func TestFirstSignalEndsACommandWhoseOutputNobodyReads(t *testing.T) {
	for _, args := range [][]string{{"list", "-v"}, {"doctor", "-json"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			r, w := pipe(t, 4096)
			cmd, stderr := inBackground(t, nil, w, nil, args...)
			require.Eventually(t, func() bool {
				waiting, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				require.NoError(t, err)
				return waiting > 3000 // and there is more to come
			}, time.Minute, time.Millisecond)
			require.Equal(t, exitCannotRun, endsAfter(t, cmd, syscall.SIGTERM), stderr)
		})
	}
}

func TestFirstSignalEndsACommandThatOwnsQEMUs(t *testing.T) {
	for _, args := range [][]string{
		{"run", "bad_dest"},
		{"run", "-json", "-parallel", "3", "precopy", "postcopy"},
		{"console"},
		{"matrix", "QEMU", "QEMU"},
		{"preflight", "QEMU", "QEMU"},
		{"bench"},
		{"doctor"},
	} {
		for _, signal := range signals() {
			t.Run(fmt.Sprint(args[0], signal), func(t *testing.T) {
				t.Parallel()
				qemu, asked := hangingQEMU(t)
				args := slices.Clone(args)
				for i, a := range args {
					args[i] = strings.ReplaceAll(a, "QEMU", qemu)
				}
				cmd, stderr := inBackground(t, nil, nil, []string{"DROVER_QEMU=" + qemu}, args...)
				require.Eventually(t, func() bool { return exists(asked) }, time.Minute, time.Millisecond)
				require.Equal(t, exitCannotRun, endsAfter(t, cmd, signal), stderr)
				require.Contains(t, stderr.String(), "drover: interrupted: "+signal.String())
				require.Eventually(t, func() bool { return !anyQEMU(qemu) }, 10*time.Second, time.Millisecond, "a QEMU is still alive")
			})
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestFirstSignalEndsAFetch(t *testing.T) {
	bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	for _, tool := range []string{"apt-get", "dpkg-deb", "dpkg", "apt-cache"} {
		script := fmt.Sprintf("#!/bin/sh\n: >'%s'\nexec /bin/sleep 3600\n", asked)
		require.NoError(t, os.WriteFile(filepath.Join(bin, tool), []byte(script), 0o700))
	}
	cmd, stderr := inBackground(t, nil, nil, []string{"PATH=" + bin}, "fleet", "fetch", "7.2")
	require.Eventually(t, func() bool { return exists(asked) }, time.Minute, time.Millisecond)
	require.Equal(t, exitCannotRun, endsAfter(t, cmd, syscall.SIGTERM), stderr)
	require.Contains(t, stderr.String(), "drover: interrupted: terminated")
}
