package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/qemutest"
)

// echoGuest is a disk whose boot block says > and then every byte it is told.
func echoGuest(t *testing.T) string {
	code := "\xba\xf8\x03\xb0>\xee" + // mov dx, 0x3f8; mov al, '>'; out dx, al
		"\xb9\x00\x40\xe2\xfe" + // next: mov cx, 0x4000; spin: loop spin, which leaves QEMU's lock to its main loop
		"\xba\xfd\x03\xec\xa8\x01\x74\xf3" + // mov dx, 0x3fd; in al, dx; test al, 1; jz next
		"\xba\xf8\x03\xec\xee\xeb\xec" // mov dx, 0x3f8; in al, dx; out dx, al; jmp next
	disk := filepath.Join(t.TempDir(), "echo.img")
	block := code + strings.Repeat("\x00", 510-len(code)) + "\x55\xaa"
	require.NoError(t, os.WriteFile(disk, []byte(block+strings.Repeat("\x00", 63<<10)), 0o600))
	return disk
}

// termios is how the screen's terminal is set.
func (s *screen) termios(t *testing.T) unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return *state
}

func (s *screen) press(t *testing.T, text string) {
	t.Helper()
	_, err := s.tty.Write([]byte(text))
	require.NoError(t, err)
}

var processLine = regexp.MustCompile(`process (\d+),`)

// qemu returns the number of the QEMU whose console is on the screen.
func (s *screen) qemu(t *testing.T) int {
	t.Helper()
	match := processLine.FindStringSubmatch(s.String())
	require.NotNil(t, match, s)
	pid, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return pid
}

// consoleAt starts drover console on a terminal and waits until the guest speaks.
func consoleAt(t *testing.T, until string, args ...string) *screen {
	t.Helper()
	s := atTerminal(t, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64")}, append([]string{"console"}, args...)...)
	s.await(t, until)
	return s
}

func TestEveryKeyButTheEscapeKeyGoesToTheGuest(t *testing.T) {
	for _, line := range []string{"-pty=false", "-pty"} {
		t.Run(line, func(t *testing.T) {
			s := consoleAt(t, "\n>", line, "--", "-drive", "file="+echoGuest(t)+",format=raw,if=ide")
			s.press(t, "hello\r\x03\x04\x1a\x1c\x7f.\x1d\x1d!")
			s.await(t, "hello\r\x03\x04\x1a\x1c\x7f.\x1d!")
			s.press(t, "\x1d?")
			s.await(t, "\r\ndrover: "+escapeHelp+"\r\n")
			s.press(t, "\x1dz")
			s.await(t, `Ctrl-] 'z' means nothing`)
			s.press(t, "\x1db still")
			s.await(t, " still")
			s.press(t, "\x1d")
			s.press(t, "q")
			require.Equal(t, exitOK, s.exit(t), s)
			require.Contains(t, s.String(), "the escape key and q were pressed; QEMU has been ended: exit status 0")
		})
	}
}

// rawConsole starts drover console, and returns how its terminal was before.
func rawConsole(t *testing.T) (s *screen, before unix.Termios) {
	t.Helper()
	s = atTerminalWith(t, func(tty *os.File) {
		state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		require.NoError(t, err)
		before = *state
	}, []string{"DROVER_QEMU=" + qemutest.Binary(t, "x86_64")}, "console")
	s.await(t, "ABB")
	require.NotEqual(t, before, s.termios(t), "it is raw")
	return s, before
}

// TestSecondSignalFindsTheTerminalRestored: it ends drover at once, and the
// kernel ends QEMU.
func TestSecondSignalFindsTheTerminalRestored(t *testing.T) {
	for range 3 {
		s, before := rawConsole(t)
		qemu := s.qemu(t)
		for range 3 {
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
		require.NotEqual(t, exitOK, s.exit(t))
		require.Equal(t, before, s.termios(t))
		require.Eventually(t, func() bool {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", qemu))
			return errors.Is(err, os.ErrNotExist)
		}, 10*time.Second, time.Millisecond)
	}
}

func TestTerminalIsRestoredHoweverTheConsoleEnds(t *testing.T) {
	signals := func(all ...os.Signal) func(t *testing.T, s *screen) {
		return func(t *testing.T, s *screen) {
			for _, signal := range all {
				require.NoError(t, s.cmd.Process.Signal(signal))
			}
		}
	}
	toQEMU := func(signal syscall.Signal) func(t *testing.T, s *screen) {
		return func(t *testing.T, s *screen) { require.NoError(t, syscall.Kill(s.qemu(t), signal)) }
	}
	for what, c := range map[string]struct {
		end    func(t *testing.T, s *screen)
		status int
		says   string
	}{
		"escape key":  {func(t *testing.T, s *screen) { s.press(t, "\x1dq") }, exitOK, "the escape key and q were pressed"},
		"SIGTERM":     {signals(syscall.SIGTERM), exitCannotRun, "interrupted (terminated"},
		"SIGHUP":      {signals(syscall.SIGHUP), exitCannotRun, "interrupted (hangup"},
		"SIGQUIT":     {signals(syscall.SIGQUIT), exitCannotRun, "interrupted (quit"},
		"QEMU's end":  {toQEMU(syscall.SIGTERM), exitOK, "QEMU has ended by itself: exit status 0"},
		"QEMU killed": {toQEMU(syscall.SIGKILL), exitFailed, "signal: killed"},
		"QEMU's core": {toQEMU(syscall.SIGSEGV), exitFailed, "segmentation fault"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, before := rawConsole(t)
			qemu := s.qemu(t)
			c.end(t, s)
			require.Equal(t, c.status, s.exit(t), s)
			require.Contains(t, s.String(), c.says)
			require.Equal(t, before, s.termios(t))
			require.NoDirExists(t, fmt.Sprintf("/proc/%d", qemu))
		})
	}
}

func TestGuestThatReadsNothingDoesNotKeepThePersonIn(t *testing.T) {
	s := consoleAt(t, "ABB") // the incrementer reads nothing
	for range 100 {
		s.press(t, strings.Repeat("?", 4000))
		if strings.Contains(s.String(), "dropped") {
			break
		}
	}
	s.await(t, "the guest reads nothing: what is typed is dropped")
	s.press(t, "\x1dq")
	require.Equal(t, exitOK, s.exit(t), s)
}

func TestPanicRestoresTheTerminal(t *testing.T) {
	restored := 0
	a := &attachment{restore: func() { restored++ }}
	require.Panics(t, a.guarded(func() { panic("oh") }))
	require.Equal(t, 1, restored)
	require.NotPanics(t, a.guarded(func() {}))
	require.Equal(t, 1, restored)
}

func TestEscapeKeyMayComeInPieces(t *testing.T) {
	const esc = "\x1d"
	q := key{command: 'q'}
	for _, c := range []struct {
		typed []string
		want  []key
	}{
		{[]string{"ab"}, []key{{text: "ab"}}},
		{[]string{"a" + esc + "qb"}, []key{{text: "a"}, q, {text: "b"}}},
		{[]string{"a" + esc, "q"}, []key{{text: "a"}, q}},
		{[]string{esc + esc + "q"}, []key{{text: esc}, {text: "q"}}},
		{[]string{esc, esc, esc, "q"}, []key{{text: esc}, q}},
		{[]string{"", esc + "\x00"}, []key{{command: 0, text: ""}}},
		{[]string{"\xe2\x9d\x1d"}, []key{{text: "\xe2\x9d"}}},
	} {
		var k keys
		var got []key
		for _, text := range c.typed {
			got = append(got, k.typed(text)...)
		}
		require.Equal(t, c.want, got, "%q", c.typed)
	}
}

func TestReadingEndsWithTheContextAndTakesNothing(t *testing.T) {
	master, slave, err := pty.Open()
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(master.Close(), slave.Close())) }()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	ended := make(chan error)
	go func() {
		ended <- readUntil(ctx, slave, func(text string) error { got <- text; return nil })
	}()
	_, err = master.WriteString("first\n")
	require.NoError(t, err)
	require.Equal(t, "first\n", <-got)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = master.WriteString("second\n")
	require.NoError(t, err)
	line := make([]byte, 16)
	n, err := slave.Read(line)
	require.NoError(t, err)
	require.Equal(t, "second\n", string(line[:n]), "it is there for who reads next")
}

func TestReadingEndsWithThePipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	go func() {
		_, _ = w.WriteString("all of it")
		_ = w.Close()
	}()
	var got strings.Builder
	err = readUntil(t.Context(), r, func(text string) error { got.WriteString(text); return nil })
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "all of it", got.String())
}

// TestPipedInputIsSentAsItIs: the escape key is a byte like others, and the end of
// the input ends nothing.
func TestPipedInputIsSentAsItIs(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := &exec.Cmd{Path: self, Args: []string{"drover", "console", "-until", "[.]\n", "--", "-drive", "file=" + echoGuest(t) + ",format=raw,if=ide"}}
	cmd.Env = append(os.Environ(), "DROVER_QEMU="+qemutest.Binary(t, "x86_64"))
	cmd.Stdin = strings.NewReader("piped \x1dq\x03\x00\xff.\n")
	said, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "piped \x1dq\x03\x00\xff.\n")
}
