package qmp_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/transcript"
)

var update = flag.Bool("update", false, "record the transcripts again, with each QEMU that DROVER_FLEET names, or the one that is found")

// An exchange is a conversation that is recorded from real QEMUs and replayed where
// none is. It asks the same each time, and looks at what it gets.
type exchange func(t *testing.T, ctx context.Context, s *qmp.Session)

func exchanges() map[string]exchange {
	return map[string]exchange{
		"status": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			require.True(t, s.OOB())
			var version struct {
				QEMU struct{ Major, Minor, Micro int }
			}
			require.NoError(t, s.Execute(ctx, "query-version", nil, &version))
			require.Equal(t, s.Greeting().Version.Major, version.QEMU.Major)
			var status struct {
				Running bool
				Status  string
			}
			require.NoError(t, s.Execute(ctx, "query-status", nil, &status))
			require.Equal(t, "prelaunch", status.Status)
			require.False(t, status.Running)
		},
		"capabilities": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			events := map[string]any{"capability": "events", "state": true}
			require.NoError(t, s.Execute(ctx, "migrate-set-capabilities", map[string]any{"capabilities": []any{events}}, nil))
			var list []map[string]any
			require.NoError(t, s.Execute(ctx, "query-migrate-capabilities", nil, &list))
			require.Contains(t, list, events)
		},
		"stop-cont": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			resume, err := s.ExecuteWait(ctx, "cont", nil, nil, "RESUME")
			require.NoError(t, err)
			stop, err := s.ExecuteWait(ctx, "stop", nil, nil, "STOP")
			require.NoError(t, err)
			require.Greater(t, stop.Place, resume.Place)
			require.False(t, stop.Time.Before(resume.Time))
			require.Nil(t, stop.Data)
			again, err := s.Wait(ctx, 0, "STOP")
			require.NoError(t, err)
			require.Equal(t, stop, again, "nobody takes an event away")
		},
		"refused": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			unknown, ok := errors.AsType[*qmp.Error](s.Execute(ctx, "migrate-teleport", nil, nil))
			require.True(t, ok)
			require.Equal(t, qmp.CommandNotFound, unknown.Class)
			missing, ok := errors.AsType[*qmp.Error](s.Execute(ctx, "qom-get", map[string]string{"path": "/machine"}, nil))
			require.True(t, ok)
			require.Equal(t, qmp.GenericError, missing.Class)
			require.Contains(t, missing.Desc, "property")
			nobody, ok := errors.AsType[*qmp.Error](s.Execute(ctx, "device_del", map[string]string{"id": "nobody"}, nil))
			require.True(t, ok)
			require.Equal(t, qmp.DeviceNotFound, nobody.Class)
			require.NoError(t, s.Execute(ctx, "query-name", nil, nil), "the session goes on")
		},
		"out-of-band": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			require.NoError(t, s.Alive(ctx))
			nothing, ok := errors.AsType[*qmp.Error](s.ExecuteOOB(ctx, "migrate-pause", nil, nil))
			require.True(t, ok)
			require.Equal(t, qmp.GenericError, nothing.Class)
		},
		"text": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			var text string
			line := map[string]string{"command-line": "info status"}
			require.NoError(t, s.Execute(ctx, "human-monitor-command", line, &text))
			require.Contains(t, text, "VM status: paused")
		},
		"quit": func(t *testing.T, ctx context.Context, s *qmp.Session) {
			// Reply, event and end of file come in any combination.
			if err := s.Execute(ctx, "quit", nil, nil); err != nil {
				require.ErrorAs(t, err, new(*qmp.ClosedError))
			}
			<-s.Done()
			require.ErrorAs(t, s.Err(), new(*qmp.ClosedError))
			shutdown, err := s.Wait(ctx, 0, "SHUTDOWN")
			if err != nil {
				require.ErrorAs(t, err, new(*qmp.ClosedError))
				return
			}
			var data struct{ Reason string }
			require.NoError(t, shutdown.Decode(&data))
			require.Equal(t, "host-qmp-quit", data.Reason)
		},
	}
}

func converse(t *testing.T, conn net.Conn, o qmp.Options, c exchange) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := qmp.New(ctx, conn, o)
	require.NoError(t, err)
	defer s.Close()
	c(t, ctx, s)
}

// What was recorded is still what QEMUs do. With -update it is recorded again.
func TestExchangesOnRealQEMUs(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		version := qemutest.Version(t, binary)
		for name, c := range exchanges() {
			t.Run(version+"/"+name, func(t *testing.T) {
				var b bytes.Buffer
				fmt.Fprintf(&b, "# %s: QEMU %s, -nodefaults -S\n", name, version)
				w := transcript.NewWriter(&b)
				converse(t, qemutest.Monitor(t, binary), qmp.Options{Trace: w.Trace}, c)
				require.NoError(t, w.Err())
				if *update {
					path := filepath.Join("testdata", "transcripts", version, name+".txt")
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
					require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
				}
			})
		}
	}
}

func TestTranscriptsAreReplayed(t *testing.T) {
	for name, c := range exchanges() {
		files, err := filepath.Glob(filepath.Join("testdata", "transcripts", "*", name+".txt"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(files), 4, "transcripts of %q; record them with -update and DROVER_FLEET", name)
		for _, path := range files {
			t.Run(path, func(t *testing.T) {
				f, err := os.Open(path)
				require.NoError(t, err)
				defer f.Close()
				messages, err := transcript.Read(f)
				require.NoError(t, err)
				conn, replay := fakeqemu.Replay(messages)
				converse(t, conn, qmp.Options{}, c)
				require.NoError(t, replay.Wait())
			})
		}
	}
}
