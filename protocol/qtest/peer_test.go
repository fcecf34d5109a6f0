package qtest_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qtest"
)

// binaries returns the QEMUs that the environment names.
func binaries() []string {
	if fleet := os.Getenv("DROVER_FLEET"); fleet != "" {
		return filepath.SplitList(fleet)
	}
	if one := os.Getenv("DROVER_QEMU"); one != "" {
		return []string{one}
	}
	return nil
}

// A qemu is one QEMU process under test.
type qemu struct {
	conn   net.Conn
	ended  chan struct{} // closed when the process has ended
	stderr *strings.Builder
}

// startQEMU starts a QEMU whose guest never runs. It is killed with the test.
func startQEMU(t testing.TB, binary string, args ...string) *qemu {
	t.Helper()
	help, err := exec.Command(binary, "-object", "help").CombinedOutput()
	require.NoError(t, err, "%s", help)
	args = append([]string{"-nodefaults", "-display", "none", "-S"}, args...)
	q := &qemu{ended: make(chan struct{}), stderr: new(strings.Builder)}
	cmd := exec.Command(binary)
	cmd.Stderr = q.stderr
	cmd.SysProcAttr = deathSignal()
	if strings.Contains(string(help), "  qtest\n") {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		theirs := os.NewFile(uintptr(fds[1]), "qtest")
		ours := os.NewFile(uintptr(fds[0]), "qtest")
		q.conn, err = net.FileConn(ours)
		require.NoError(t, err)
		ours.Close()
		cmd.ExtraFiles = []*os.File{theirs}
		cmd.Args = append(append(cmd.Args, args...), "-chardev", "socket,id=qtest,fd=3", "-object", "qtest,id=qtest0,chardev=qtest,log=none")
		require.NoError(t, cmd.Start())
		theirs.Close()
	} else {
		path := filepath.Join(t.TempDir(), "qtest")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		cmd.Args = append(append(cmd.Args, args...), "-qtest", "unix:"+path, "-qtest-log", "none")
		require.NoError(t, cmd.Start())
		require.NoError(t, l.(*net.UnixListener).SetDeadline(time.Now().Add(20*time.Second)))
		q.conn, err = l.Accept()
		require.NoError(t, err)
		l.Close()
	}
	go func() { defer close(q.ended); cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		q.conn.Close()
		<-q.ended
	})
	return q
}

func TestRealQEMU(t *testing.T) {
	for _, b := range binaries() {
		t.Run(b, func(t *testing.T) {
			q := startQEMU(t, b, "-m", "150")
			s := qtest.New(q.conn, qtest.Options{})
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			require.NoError(t, s.Memset(ctx, 0x100000, 99<<20, 7))
			all := make([]byte, 99<<20)
			require.NoError(t, s.WriteMemory(ctx, 0x100000, make([]byte, 100000)))
			require.NoError(t, s.ReadMemory(ctx, 0x100000, all))
			for i, b := range all {
				want := byte(7)
				if i < 100000 {
					want = 0
				}
				if b != want {
					t.Fatal(i, b)
				}
			}
			addrs := make([]uint64, 25344)
			for i := range addrs {
				addrs[i] = 0x100000 + 4096*uint64(i)
			}
			v, err := s.ReadEach(ctx, addrs)
			require.NoError(t, err)
			require.Len(t, v, 25344)
			require.NoError(t, s.Writeq(ctx, 0x100000, 0x1234567890))
			w, err := s.Readl(ctx, 0x100001)
			require.NoError(t, err)
			require.EqualValues(t, 0x12345678, w)
			o, err := s.ByteOrder(ctx)
			require.NoError(t, err)
			require.Equal(t, "LittleEndian", o.String())
		})
	}
}
