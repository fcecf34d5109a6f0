package qemutest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Version returns a binary's version up to the minor number, such as "11.1".
func Version(t testing.TB, binary string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "-version").Output()
	require.NoError(t, err, "asking %s for its version", binary)
	var major, minor int
	_, err = fmt.Sscanf(string(out), "QEMU emulator version %d.%d", &major, &minor)
	require.NoError(t, err, "%s", out)
	return fmt.Sprintf("%d.%d", major, minor)
}

// Monitor starts a QEMU under TCG whose guest does not run, and returns a connection to
// its monitor, which has not been read from. Both end with the test; what QEMU printed
// on stderr is logged where the test failed.
func Monitor(t testing.TB, binary string, args ...string) net.Conn {
	t.Helper()
	ours, theirs := socketpair(t)
	conn, err := net.FileConn(ours)
	require.NoError(t, err)
	require.NoError(t, ours.Close())
	defer theirs.Close()

	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, append([]string{
		"-nodefaults", "-display", "none", "-S", "-m", "256", "-accel", "tcg",
		"-chardev", "socket,id=mon,fd=3", "-mon", "chardev=mon,mode=control",
	}, args...)...)
	cmd.ExtraFiles = []*os.File{theirs}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", cmd.ProcessState, stderr.String())
		}
	})
	return conn
}

func socketpair(t testing.TB) (ours, theirs *os.File) {
	t.Helper()
	syscall.ForkLock.RLock() // no other test's child gets these
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
}
