package procfs

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOtherEndOfAConnectionIsKnown(t *testing.T) {
	sleep := exec.CommandContext(t.Context(), "sleep", "60")
	require.NoError(t, sleep.Start())
	t.Cleanup(func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
	})
	for what, at := range map[string]struct{ network, listen, dial string }{
		"tcp":                    {"tcp", "127.0.0.1:0", "127.0.0.1"},
		"IPv4 to any address":    {"tcp", ":0", "127.0.0.1"},
		"a socket in the folder": {"unix", t.TempDir() + "/s", ""},
	} {
		t.Run(what, func(t *testing.T) {
			l, err := net.Listen(at.network, at.listen)
			require.NoError(t, err)
			defer l.Close()
			to := l.Addr().String()
			if tcp, ok := l.Addr().(*net.TCPAddr); ok {
				to = net.JoinHostPort(at.dial, strconv.Itoa(tcp.Port))
			}
			dialled, err := net.Dial(at.network, to)
			require.NoError(t, err)
			defer dialled.Close()
			accepted, err := l.Accept()
			require.NoError(t, err)
			defer accepted.Close()

			ours, err := Owns(os.Getpid(), accepted)
			require.NoError(t, err)
			require.True(t, ours)
			theirs, err := Owns(sleep.Process.Pid, accepted)
			require.NoError(t, err)
			require.False(t, theirs)
			if at, ok := l.Addr().(*net.TCPAddr); ok {
				require.Empty(t, StrangersOn(at.Port, os.Getpid()))
				require.Len(t, StrangersOn(at.Port, sleep.Process.Pid), 1)
			}
		})
	}
}

// TestSockDiagAndTheTableAgree: what a kernel without sock_diag is asked instead says the
// same, of a socket that a process has and of one that none has.
func TestSockDiagAndTheTableAgree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	peer, ours := endOf(accepted.RemoteAddr()), endOf(accepted.LocalAddr())
	agreed := func() tcpSocket {
		one, err := oneTCP(peer, ours)
		require.NoError(t, err)
		other, err := lookForTCP(int(peer.Port()), int(ours.Port()))
		require.NoError(t, err)
		require.Equal(t, other.inode, one.inode)
		return *one
	}
	require.NotZero(t, agreed().inode)
	dumped, err := dumpTCP(1<<established | 1<<listening)
	require.NoError(t, err)
	text, err := tcpText()
	require.NoError(t, err)
	for _, table := range [][]tcpSocket{dumped, text} {
		require.Contains(t, table, agreed())
		require.True(t, slices.ContainsFunc(table, func(s tcpSocket) bool { return s.state == listening && s.local == int(ours.Port()) && s.inode != 0 }))
	}
	require.NoError(t, dialled.Close())
	require.EqualValues(t, closedInode, agreed().inode)
	unused, err := oneTCP(ours, netip.AddrPortFrom(peer.Addr(), 1))
	require.NoError(t, err)
	require.Nil(t, unused)
}

// TestConnectionThatWaitsIsSeen, and one that was taken waits no longer.
func TestConnectionThatWaitsIsSeen(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		defer l.Close()
		ports := []int{l.Addr().(*net.TCPAddr).Port}
		require.False(t, WaitsAt(ports))
		require.True(t, ListensTCP(os.Getpid(), ports[0]))
		dialled, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer dialled.Close()
		require.Eventually(t, func() bool { return WaitsAt(ports) }, 10*time.Second, time.Millisecond)
		accepted, err := l.Accept()
		require.NoError(t, err)
		defer accepted.Close()
		require.False(t, WaitsAt(ports))
	}
}
