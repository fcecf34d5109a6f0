package qtest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// A peer is a server on which the tests in this package run: the fake, and
// each real QEMU there is.
type peer struct {
	conn    net.Conn
	machine qtest.Machine
	real    bool
	crashed func() string // "" while it lives
}

// session starts a session with the peer that asks it all it must know.
func (p *peer) session(t testing.TB, o qtest.Options) *qtest.Session {
	if o.Machine.Properties == nil {
		o.Machine = p.machine
	}
	s := qtest.New(p.conn, o)
	t.Cleanup(func() { s.Close() })
	return s
}

// onEveryPeer runs the same body against the fake and each real QEMU.
func onEveryPeer(t *testing.T, body func(t *testing.T, p *peer), args ...string) {
	t.Run("fake", func(t *testing.T) { body(t, startFake(t, fakeqemu.Config{})) })
	for _, b := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, b), func(t *testing.T) { body(t, startQEMU(t, b, args...)) })
	}
}

func startFake(t testing.TB, c fakeqemu.Config) *peer {
	q := fakeqemu.New(c)
	t.Cleanup(func() { q.Close() })
	monitor := newMonitor(t, q.QMP())
	return &peer{conn: q.QTest(), machine: monitor.machine(), crashed: q.Aborted}
}

// startQEMU starts a QEMU whose guest never runs. It is killed with the test.
func startQEMU(t testing.TB, binary string, args ...string) *peer {
	t.Helper()
	help, err := exec.Command(binary, "-object", "help").CombinedOutput()
	require.NoError(t, err, "%s", help)
	ended := make(chan struct{})
	var stderr strings.Builder
	var conn net.Conn
	cmd := exec.Command(binary, append([]string{"-nodefaults", "-display", "none", "-S", "-m", "150"}, args...)...)
	cmd.Stderr = &stderr
	cmd.SysProcAttr = deathSignal()
	control := inherit(t, cmd)
	cmd.Args = append(cmd.Args, "-chardev", "socket,id=mon,fd=3", "-mon", "chardev=mon,mode=control")
	var listener net.Listener
	if strings.Contains(string(help), "  qtest\n") {
		conn = inherit(t, cmd)
		cmd.Args = append(cmd.Args, "-chardev", "socket,id=qtest,fd=4", "-object", "qtest,id=qtest0,chardev=qtest,log=none")
	} else {
		path := filepath.Join(t.TempDir(), "qtest")
		listener, err = net.Listen("unix", path)
		require.NoError(t, err)
		defer listener.Close()
		require.NoError(t, listener.(*net.UnixListener).SetDeadline(time.Now().Add(20*time.Second)))
		cmd.Args = append(cmd.Args, "-qtest", "unix:"+path, "-qtest-log", "none")
	}
	require.NoError(t, cmd.Start())
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	if listener != nil {
		conn, err = listener.Accept()
		require.NoError(t, err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{
		conn: conn, machine: newMonitor(t, control).machine(), real: true,
		crashed: func() string {
			select {
			case <-ended:
				return cmd.ProcessState.String() + ": " + stderr.String()
			default:
				return ""
			}
		},
	}
}

// inherit gives cmd one end of a new connection and returns the other.
func inherit(t testing.TB, cmd *exec.Cmd) net.Conn {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours := os.NewFile(uintptr(fds[0]), "ours")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	require.NoError(t, err)
	cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fds[1]), "theirs"))
	return conn
}

// A monitor is as little of a QMP client as these tests need, so that this package
// is tested without the one beside it.
type monitor struct {
	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
}

func newMonitor(t testing.TB, conn net.Conn) *monitor {
	m := &monitor{conn: conn, in: bufio.NewReader(conn)}
	t.Cleanup(func() { conn.Close() })
	_, err := m.in.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, m.ask("qmp_capabilities", nil, nil))
	return m
}

func (m *monitor) ask(command string, arguments, reply any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return err
	}
	for {
		line, err := m.in.ReadBytes('\n')
		if err != nil {
			return err
		}
		var r struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		switch {
		case r.Error != nil:
			return errors.New(r.Error.Desc)
		case r.Return != nil && reply != nil:
			return json.Unmarshal(r.Return, reply)
		case r.Return != nil:
			return nil
		}
	}
}

func (m *monitor) machine() qtest.Machine {
	return qtest.Machine{
		Properties: func(_ context.Context, path string) (list []qtest.Property, err error) {
			err = m.ask("qom-list", map[string]string{"path": path}, &list)
			return list, err
		},
		HasCPU: func(context.Context) (bool, error) {
			var cpus []json.RawMessage
			err := m.ask("query-cpus-fast", nil, &cpus)
			return len(cpus) > 0, err
		},
	}
}
