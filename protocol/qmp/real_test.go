//go:build unix

package qmp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/transcript"
)

// startQEMU starts a QEMU whose guest never runs, and returns the path on which
// its monitor listens. It is killed with the test.
func startQEMU(t testing.TB, binary, monitor string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "monitor")
	cmd := exec.Command(binary, "-nodefaults", "-display", "none", "-machine", "accel=tcg", "-m", "16", "-S",
		"-chardev", "socket,id=mon,server=on,wait=off,path="+path, "-mon", "chardev=mon,mode=control"+monitor)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", binary, &stderr)
		}
	})
	return path
}

func dial(t testing.TB, path string, o qmp.Options) *qmp.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	session, err := qmp.Dial(ctx, "unix", path, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// onEveryReal runs a body with each real QEMU.
func onEveryReal(t *testing.T, body func(t *testing.T, binary string)) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) { body(t, binary) })
	}
}

// onEveryPeer runs the same body with the fake and each real QEMU, so that the
// fake can't drift from the truth.
func onEveryPeer(t *testing.T, body func(t *testing.T, session *qmp.Session)) {
	t.Run("fake", func(t *testing.T) {
		q := fakeqemu.New(fakeqemu.Config{})
		defer q.Close()
		session, err := qmp.New(t.Context(), q.QMP(), qmp.Options{})
		require.NoError(t, err)
		defer session.Close()
		body(t, session)
	})
	t.Run("real", func(t *testing.T) {
		onEveryReal(t, func(t *testing.T, binary string) { body(t, dial(t, startQEMU(t, binary, ""), qmp.Options{})) })
	})
}

func TestAMonitorAnswersRefusesAndTells(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, session *qmp.Session) {
		require.True(t, session.OOB())
		require.NoError(t, session.Alive(t.Context()))
		require.Positive(t, session.Greeting().Version.Major)

		require.NoError(t, session.Execute(t.Context(), "stop", nil, nil)) // the fake's guest runs
		for range 3 {
			event, err := session.ExecuteWait(t.Context(), "cont", nil, nil, "RESUME")
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), event.Time, time.Minute)
			event, err = session.ExecuteWait(t.Context(), "stop", nil, nil, "STOP")
			require.NoError(t, err)
			require.Nil(t, event.Data)
		}

		refused, ok := errors.AsType[*qmp.Error](session.Execute(t.Context(), "no-such-command", nil, nil))
		require.True(t, ok)
		require.Equal(t, qmp.CommandNotFound, refused.Class)
		refused, ok = errors.AsType[*qmp.Error](session.ExecuteOOB(t.Context(), "query-status", nil, nil))
		require.True(t, ok)
		require.Equal(t, qmp.GenericError, refused.Class)

		var status struct{ Status string }
		require.NoError(t, session.Execute(t.Context(), "query-status", nil, &status))
		require.Equal(t, "paused", status.Status)
	})
}

func TestAfterQuitTheSessionEnds(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, session *qmp.Session) {
		_, err := session.ExecuteWait(t.Context(), "quit", nil, nil, "SHUTDOWN")
		require.NoError(t, err)
		<-session.Done()
		require.ErrorAs(t, session.Execute(t.Context(), "query-status", nil, nil), new(*qmp.ClosedError))
	})
}

func TestPrettyMonitorsAreRead(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		session := dial(t, startQEMU(t, binary, ",pretty=on"), qmp.Options{})
		var raw json.RawMessage
		require.NoError(t, session.Execute(t.Context(), "query-qmp-schema", nil, &raw))
		require.Contains(t, string(raw), "\n")
		_, err := session.ExecuteWait(t.Context(), "cont", nil, nil, "RESUME")
		require.NoError(t, err)
	})
}

func TestAMonitorServesOneAtATime(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		path := startQEMU(t, binary, "")
		first := dial(t, path, qmp.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := qmp.Dial(ctx, "unix", path, qmp.Options{})
		require.ErrorIs(t, err, qmp.ErrSilent)
		require.NoError(t, first.Close())
		require.NoError(t, dial(t, path, qmp.Options{}).Execute(t.Context(), "query-status", nil, nil))
	})
}

func closeWhenSent(command string, sent chan struct{}) func(transcript.Message) {
	return func(m transcript.Message) {
		if m.Direction == transcript.Sent && bytes.Contains(m.Data, []byte(command)) {
			close(sent)
		}
	}
}

// A QEMU whose main loop hangs, in a write to a FIFO that nobody reads, is alive
// all the same, with as many commands waiting as it takes.
func TestAliveWhileTheMainLoopHangs(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		sent := make(chan struct{})
		session := dial(t, startQEMU(t, binary, ""), qmp.Options{Trace: closeWhenSent("pmemsave", sent)})
		fifo := hangingFile(t)
		hang := make(chan error, 1)
		go func() {
			hang <- session.Execute(t.Context(), "pmemsave", map[string]any{"val": 0, "size": 16, "filename": fifo}, nil)
		}()
		<-sent
		longer, cancelLonger := context.WithCancel(t.Context())
		waiting := make(chan error, 12)
		for range cap(waiting) {
			go func() { waiting <- session.Execute(longer, "query-status", nil, nil) }()
		}
		// It is sent behind those that are in flight by now, and the others give up
		// only when it has been answered: the more wait, the harder it is.
		for range 20 {
			require.NoError(t, session.Alive(t.Context()))
		}
		cancelLonger()
		for range cap(waiting) {
			require.ErrorIs(t, <-waiting, context.Canceled)
		}
		require.Empty(t, hang)

		read, err := os.Open(fifo) // the hang ends
		require.NoError(t, err)
		defer read.Close()
		require.NoError(t, <-hang)
		require.NoError(t, session.Execute(t.Context(), "query-status", nil, nil), "late replies are dropped")
	})
}

// The main loop hangs in what another monitor has asked for, so that nothing in
// our monitor's queue is begun. With eight in it QEMU would stop reading.
func TestOutOfBandOvertakesWhileAnotherMonitorHangs(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		path := filepath.Join(t.TempDir(), "other")
		sent := make(chan struct{}, 1000)
		session, err := qmp.New(t.Context(), qemutest.Monitor(t, binary,
			"-chardev", "socket,id=other,server=on,wait=off,path="+path, "-mon", "chardev=other,mode=control"),
			qmp.Options{Trace: func(m transcript.Message) {
				if m.Direction == transcript.Sent && bytes.Contains(m.Data, []byte("query-status")) {
					sent <- struct{}{}
				}
			}})
		require.NoError(t, err)
		defer session.Close()
		other := dial(t, path, qmp.Options{})
		fifo := hangingFile(t)
		hang := make(chan error, 1)
		go func() {
			hang <- other.Execute(t.Context(), "pmemsave", map[string]any{"val": 0, "size": 16, "filename": fifo}, nil)
		}()
		for err = nil; err == nil; <-sent { // until it hangs
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err = session.Execute(ctx, "query-status", nil, nil)
			cancel()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		waiting := make(chan error, 12)
		for range cap(waiting) {
			go func() { waiting <- session.Execute(t.Context(), "query-status", nil, nil) }()
		}
		for range 6 { // and the one that has been abandoned: seven in QEMU
			<-sent
		}
		for range 20 {
			require.NoError(t, session.Alive(t.Context()))
		}
		require.Empty(t, waiting)

		read, err := os.OpenFile(fifo, os.O_RDWR, 0)
		require.NoError(t, err)
		defer read.Close()
		require.NoError(t, <-hang)
		for range cap(waiting) {
			require.NoError(t, <-waiting)
		}
	})
}

// A reply that comes behind a reconnect is not for the next client.
func TestALateReplyToAnEarlierSessionIsDropped(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		path := startQEMU(t, binary, "")
		sent := make(chan struct{})
		first := dial(t, path, qmp.Options{Trace: closeWhenSent("pmemsave", sent)})
		fifo := hangingFile(t)
		go first.Execute(t.Context(), "pmemsave", map[string]any{"val": 0, "size": 16, "filename": fifo}, nil)
		<-sent
		require.NoError(t, first.Alive(t.Context()), "behind it, so it has been read")
		require.NoError(t, first.Close())
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		// Both ends, for a command that QEMU had not begun was dropped with its session,
		// and nobody opens the other.
		read, err := os.OpenFile(fifo, os.O_RDWR, 0)
		require.NoError(t, err)
		defer read.Close()
		second, err := qmp.New(t.Context(), conn, qmp.Options{})
		require.NoError(t, err)
		defer second.Close()
		for range 3 {
			var status struct{ Status string }
			require.NoError(t, second.Execute(t.Context(), "query-status", nil, &status))
			require.NotEmpty(t, status.Status)
		}
	})
}

func TestADescriptorArrivesAtAMonitor(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		session := dial(t, startQEMU(t, binary, ""), qmp.Options{})
		file, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		defer file.Close()
		name := map[string]string{"fdname": "passed"}
		require.NoError(t, session.ExecuteFiles(t.Context(), "getfd", name, nil, file))
		require.NoError(t, session.Execute(t.Context(), "closefd", name, nil))
		require.Error(t, session.Execute(t.Context(), "closefd", name, nil))
		require.Error(t, session.Execute(t.Context(), "getfd", name, nil), "no descriptor beside it")

		var added struct {
			FD    int
			Set   int `json:"fdset-id"`
			Extra any
		}
		require.NoError(t, session.ExecuteFiles(t.Context(), "add-fd", nil, &added, file))
		require.NoError(t, session.Execute(t.Context(), "remove-fd", map[string]int{"fdset-id": added.Set}, nil))
	})
}

// What we refuse to send is what QEMU can't read: it answers without an id.
// What we send, it reads.
func TestWhatQEMUCanRead(t *testing.T) {
	onEveryReal(t, func(t *testing.T, binary string) {
		session := dial(t, startQEMU(t, binary, ""), qmp.Options{})
		for _, text := range []string{"\x00", "\x7f", "\U0001f600", "\u2028", "\ufffd", "\U0010fffd", "<&>\"\\"} {
			err := session.Execute(t.Context(), "query-status", map[string]string{"a": text}, nil)
			require.ErrorAs(t, err, new(*qmp.Error), "%q", text)
			require.ErrorContains(t, err, "unexpected", "%q", text)
		}
		for _, text := range []string{"\uffff", "\ufdd0", "\U0001fffe", "\xed\xa0\x80", "\xff", `\ud800`, `\udc00\ud800`} {
			arguments := json.RawMessage(`{"a": "` + text + `"}`)
			require.ErrorAs(t, session.Execute(t.Context(), "query-status", arguments, nil), new(*qmp.ArgumentError), "%q", text)
		}
	})
}

// hangingFile returns the path of a file in whose opening QEMU hangs until
// somebody reads it.
func hangingFile(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	return path
}
