package qmp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// sync reads an agent's client's first message and returns its token.
func (s *server) sync() (r request, token string) {
	r = s.hear()
	var arguments struct{ ID json.Number }
	_ = json.Unmarshal(r.Arguments, &arguments)
	return r, arguments.ID.String()
}

func TestAgentSessionStartsBehindTheMark(t *testing.T) {
	for name, before := range map[string]string{
		"nothing":             "",
		"late replies":        `{"return": {}, "id": 1}` + "\r\n" + `{"return": 5, "id": 2}`,
		"an error":            `{"error": {"class": "GenericError", "desc": "JSON parse error, stray 0xFF"}}`,
		"half a reply":        `{"return": {"a": "`,
		"garbage":             "}}}]]] \x00 no JSON",
		"another's mark":      "\xff" + `{"return": 12345}` + "\r\n",
		"a mark cut off":      "\xff" + `{"return": 123`,
		"a mark and garbage":  "\xff" + `nonsense`,
		"marks in a row":      "\xff\xff\xff",
		"a greeting of sorts": "\xff" + `{"QMP": {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			client, peer := net.Pipe()
			defer peer.Close()
			first := make([]byte, 1)
			go func() {
				_, _ = io.ReadFull(peer, first)
				s := newServer(t, peer)
				r, token := s.sync()
				_, _ = io.WriteString(peer, before)
				s.say("\xff"+`{"return": %s, "id": %d}`, token, r.ID)
				<-s.serve(func(r request) string { return returning(r, `"`+r.Execute+`"`) })
			}()
			session, err := qmp.NewAgent(t.Context(), client, qmp.Options{})
			require.NoError(t, err)
			defer session.Close()
			require.Equal(t, []byte{0xff}, first)
			require.False(t, session.OOB())
			for range 10 {
				var got string
				require.NoError(t, session.Execute(t.Context(), "guest-info", nil, &got))
				require.Equal(t, "guest-info", got)
			}
		})
	}
}

func TestAnAgentThatIsNotThereIsGivenUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := net.Pipe()
		go io.Copy(io.Discard, peer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := qmp.NewAgent(ctx, client, qmp.Options{})
		require.ErrorIs(t, err, qmp.ErrNoAgent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		peer.Close()
	})
}

func TestAnAgentThatStartsLateIsWaitedFor(t *testing.T) {
	for name, late := range map[string]func(t *testing.T, peer net.Conn){
		"what came before is lost": func(t *testing.T, peer net.Conn) {
			began := time.Now()
			for lost := make([]byte, 4096); time.Since(began) < 10*time.Minute; {
				_ = peer.SetReadDeadline(time.Now().Add(time.Second))
				_, _ = peer.Read(lost)
			}
			_ = peer.SetReadDeadline(time.Time{})
		},
		"what came before waits in the channel": func(*testing.T, net.Conn) { time.Sleep(10 * time.Minute) },
		"it is there":                           func(*testing.T, net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, peer := net.Pipe()
				go func() {
					late(t, peer)
					s := newServer(t, peer)
					<-s.serve(func(r request) string {
						if r.Execute != "guest-sync-delimited" {
							return returning(r, `"`+r.Execute+`"`)
						}
						time.Sleep(2 * time.Second) // it is slow, too: questions pile up
						var arguments struct{ ID json.Number }
						_ = json.Unmarshal(r.Arguments, &arguments)
						return "\xff" + returning(r, arguments.ID.String())
					})
				}()
				session, err := qmp.NewAgent(t.Context(), client, qmp.Options{})
				require.NoError(t, err)
				for range 20 { // each gets its own answer, whatever was asked before
					var got string
					require.NoError(t, session.Execute(t.Context(), "guest-info", nil, &got))
					require.Equal(t, "guest-info", got)
				}
				require.NoError(t, session.Close())
			})
		})
	}
}

func TestDialAgentWaitsForTheChannelAndTheAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	go func() {
		listener, err := net.Listen("unix", path)
		if err != nil {
			return
		}
		defer listener.Close()
		hungUp, err := listener.Accept()
		if err != nil {
			return
		}
		_ = hungUp.Close()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s := newServer(t, conn)
		_, _ = s.sync() // lost
		r, token := s.sync()
		s.say("\xff"+`{"return": %s, "id": %d}`, token, r.ID)
		<-s.serve(func(r request) string { return returning(r, "{}") })
	}()
	session, err := qmp.DialAgent(t.Context(), "unix", path, qmp.Options{})
	require.NoError(t, err)
	require.NoError(t, session.Execute(t.Context(), "guest-ping", nil, nil))
	require.NoError(t, session.Close())

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = qmp.DialAgent(ctx, "unix", filepath.Join(t.TempDir(), "nobody"), qmp.Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnAgentThatLeavesInTheHandshake(t *testing.T) {
	client, peer := net.Pipe()
	peer.Close()
	_, err := qmp.NewAgent(t.Context(), client, qmp.Options{})
	_, closed := errors.AsType[*qmp.ClosedError](err)
	require.True(t, closed, "%v", err)
}

// startAgent starts a real guest agent, on this machine.
func startAgent(t *testing.T) (path string) {
	binary := os.Getenv("DROVER_QEMU_GA")
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("qemu-ga"); err != nil {
			t.Skip("no qemu-ga in PATH: install qemu-guest-agent, or name one in DROVER_QEMU_GA")
		}
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "ga")
	cmd := exec.Command(binary, "-m", "unix-listen", "-p", path, "-t", dir, "-f", filepath.Join(dir, "pid"))
	output, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			t.Log(lines.Text())
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-read; _ = cmd.Wait() })
	return path
}

func dialAgent(t *testing.T, path string) *qmp.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var conn net.Conn
	require.Eventually(t, func() (ok bool) {
		var err error
		conn, err = net.Dial("unix", path)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	session, err := qmp.NewAgent(ctx, conn, qmp.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestARealAgentAnswersAndSurvivesGarbage(t *testing.T) {
	path := startAgent(t)
	session := dialAgent(t, path)
	var info struct{ Version string }
	require.NoError(t, session.Execute(t.Context(), "guest-info", nil, &info))
	require.NotEmpty(t, info.Version)
	require.NoError(t, session.Execute(t.Context(), "guest-ping", nil, nil))
	require.NoError(t, session.Execute(t.Context(), "guest-sync", map[string]int64{"id": 1 << 50}, new(int64)))
	refused, ok := errors.AsType[*qmp.Error](session.Execute(t.Context(), "guest-no-such", nil, nil))
	require.True(t, ok)
	require.Equal(t, qmp.CommandNotFound, refused.Class)
	require.NoError(t, session.Close())

	// Half a command from a client that was killed, then the next one.
	for _, garbage := range []string{`{"execute": "guest-pi`, `}}}`, "nonsense\n", `{"execute": "guest-info", "id": 1}` + "\n"} {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		_, err = fmt.Fprint(conn, garbage)
		require.NoError(t, err)
		next, err := qmp.NewAgent(t.Context(), conn, qmp.Options{})
		require.NoError(t, err, "behind %q", garbage)
		require.NoError(t, next.Execute(t.Context(), "guest-ping", nil, nil))
		require.NoError(t, next.Close())
	}
}
