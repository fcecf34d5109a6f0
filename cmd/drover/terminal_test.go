package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
)

// A screen is what a person at a terminal sees of a drover that runs there.
type screen struct {
	cmd  *exec.Cmd
	tty  *os.File
	read sync.WaitGroup

	mu   sync.Mutex
	seen bytes.Buffer
	more chan struct{}
}

// atTerminal starts drover on a terminal of its own.
func atTerminal(t *testing.T, env []string, args ...string) *screen {
	t.Helper()
	return atTerminalWith(t, func(*os.File) {}, env, args...)
}

// atTerminalWith is atTerminal with something done to the terminal before.
func atTerminalWith(t *testing.T, before func(tty *os.File), env []string, args ...string) *screen {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s := &screen{more: make(chan struct{}, 1)}
	s.cmd = &exec.Cmd{Path: self, Args: append([]string{"drover"}, args...)}
	s.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm", "NO_COLOR="}, env...)...)
	master, slave, err := pty.Open()
	require.NoError(t, err)
	s.tty = master
	require.NoError(t, pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 100}))
	before(slave)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = s.cmd.Start()
	require.NoError(t, errors.Join(err, slave.Close()))
	s.read.Go(func() { _, _ = io.Copy(s, s.tty) }) // ends with EIO when drover does
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		_ = s.tty.Close()
		s.read.Wait()
	})
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.seen.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// await returns when the text has been on the screen.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("never on the screen: %q; this was:\n%s", text, s)
		}
	}
}

// exit returns drover's exit status.
func (s *screen) exit(t *testing.T) int {
	t.Helper()
	_ = s.cmd.Wait()
	s.read.Wait()
	return s.cmd.ProcessState.ExitCode()
}

// anyQEMU says whether a process is alive that has the folder in its command
// line, as the QEMUs of a run in it have.
func anyQEMU(dir string) bool {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, _ := os.ReadFile(path) // it may be gone by now
		if strings.Contains(string(text), dir) {
			return true
		}
	}
	return false
}

func TestLiveLineOnATerminal(t *testing.T) {
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "DROVER_CACHE=" + t.TempDir()}, "run", "bad_dest")
	s.await(t, "\r\x1b[J1/1      x86_64/bad_dest")
	require.Equal(t, 0, s.exit(t), s)
	require.Contains(t, s.String(), "\x1b[32mpass   \x1b[0m  x86_64/bad_dest")
	lines := strings.Split(strings.TrimSpace(s.String()), "\r\n")
	require.Contains(t, lines[len(lines)-1], "1 scenario: 1 passed")
}

func TestLiveLinesShowHowFarTheMigrationIs(t *testing.T) {
	cache := t.TempDir()
	env := []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "DROVER_CACHE=" + cache}
	s := atTerminal(t, env, "run", "testdata/moves.scenario")
	require.Equal(t, 0, s.exit(t), s)
	require.Regexp(t, `\r\x1b\[J1/1      x86_64/testdata/moves [\d.]+ s: await passes 1\r\r?\n         active, \d+ MB sent, .*left, pass \d+\r\x1b\[1A`, s.String())
	require.NotContains(t, s.String(), "1/1, ", "nobody knows yet how long it takes")

	s = atTerminal(t, env, "run", "testdata/moves.scenario")
	require.Equal(t, 0, s.exit(t), s)
	require.Regexp(t, `1/1, \d+s left`, s.String(), "by the time that it took before")
}

func TestDumbTerminalIsWrittenPlainLines(t *testing.T) {
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TERM=dumb"}, "run", "bad_dest")
	require.Equal(t, 0, s.exit(t), s)
	require.NotContains(t, s.String(), "\x1b")
	s = atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "NO_COLOR=1"}, "run", "bad_dest")
	require.Equal(t, 0, s.exit(t), s)
	require.Contains(t, s.String(), "\x1b[J", "lines are drawn")
	require.NotRegexp(t, `\x1b\[[\d;]*m`, s.String(), "and not coloured")
}

func TestCtrlCEndsBothVMsAndSaysWhereTheArtifactsAre(t *testing.T) {
	dir := t.TempDir()
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TMPDIR=" + dir}, "run", "postcopy/plain", "precopy/unix/plain")
	s.await(t, "await passes 1")
	_, err := s.tty.Write([]byte{ctrlC})
	require.NoError(t, err)
	require.Equal(t, exitCannotRun, s.exit(t), s)
	require.Contains(t, s.String(), "interrupted")
	require.Regexp(t, "(artifacts|of other scenarios): "+regexp.QuoteMeta(dir)+"/drover-x86_64-postcopy-plain-", s.String()) // the other may have begun only now
	require.False(t, anyQEMU(dir), "a QEMU is still alive")
}

func TestRunGoesOnWhenNobodyIsToHearAHangup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP) // as nohup does for what it starts
	defer signal.Reset(syscall.SIGHUP)
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TMPDIR=" + t.TempDir()}, "run", "precopy/unix/plain")
	s.await(t, "await passes 1")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
	require.Equal(t, exitOK, s.exit(t), s)
	require.Contains(t, s.String(), "1 passed")
}

func TestKilledDroverTakesItsQEMUsAlong(t *testing.T) {
	dir := t.TempDir()
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TMPDIR=" + dir}, "run", "precopy/unix/plain")
	s.await(t, "await passes 1")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGKILL))
	s.exit(t)
	require.Eventually(t, func() bool { return !anyQEMU(dir) }, 10*time.Second, 5*time.Millisecond)
}

func TestHoldKeepsBothVMsUntilAKey(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "never.scenario")
	require.NoError(t, os.WriteFile(file, []byte("boot\nlisten unix\nmigrate\nawait status colo\n"), 0o600))
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TMPDIR=" + dir, "DROVER_CACHE=" + t.TempDir()},
		"run", "--hold", "--budget", "3s", file)
	s.await(t, "Press a key to go on.")
	for _, word := range []string{"Held: ", "source.qmp", "destination.qmp", "target remote", "gdb -p"} {
		require.Contains(t, s.String(), word)
	}
	require.True(t, anyQEMU(dir))
	_, err := s.tty.Write([]byte(" "))
	require.NoError(t, err)
	require.Equal(t, exitFailed, s.exit(t), s)
	require.Contains(t, s.String(), "budget of 3s is spent")
	require.False(t, anyQEMU(dir), "a QEMU is still alive")
}

func TestABenchShowsHowFarItIsAndCtrlCPrintsWhatItHas(t *testing.T) {
	dir, report := t.TempDir(), filepath.Join(t.TempDir(), "report")
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64"), "TMPDIR=" + dir, "DROVER_CACHE=" + t.TempDir()},
		"bench", "--methods", "precopy", "--dirty-rates", "0", "--bandwidths", "20MB/s", "--max-time", "1m", "--memory", "150MiB", "--repeats", "50", "--warm-up", "0", "--report", report)
	s.await(t, "2/50     precopy at 0")
	s.await(t, "MB sent")
	_, err := s.tty.Write([]byte{ctrlC})
	require.NoError(t, err)
	require.Equal(t, exitCannotRun, s.exit(t), s)
	require.Contains(t, s.String(), "interrupted before all was measured")
	require.Contains(t, s.String(), "both VMs have been ended; what was measured so far is above")
	require.FileExists(t, filepath.Join(report, "bench.html"))
	require.False(t, anyQEMU(dir), "a QEMU is still alive")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
