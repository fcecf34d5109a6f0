package host

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLoopbackOfThisHostIsTried(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil || lo.Flags&net.FlagUp == 0 {
		require.ErrorAs(t, Loopback(), new(*LoopbackError))
		return
	}
	require.NoError(t, Loopback())
	fact := loopbackFact(nil)
	require.True(t, fact.Have)
	require.Empty(t, fact.Remedy)
}

func TestLoopbackThatIsDownIsSaidWithItsRemedy(t *testing.T) {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and its namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = Loopback()
		}
		result <- err
	}()
	err := <-result
	if errors.Is(err, syscall.EPERM) && !errors.As(err, new(*LoopbackError)) {
		t.Skip("this user can't make a network namespace; run the tests as root to see this")
	}
	require.EqualError(t, err, "this host's loopback is down: ip link set lo up")
	require.ErrorAs(t, err, new(*LoopbackError))
	fact := loopbackFact(err)
	require.False(t, fact.Have)
	require.Equal(t, "this host's loopback is down", fact.Says)
	require.Equal(t, "ip link set lo up", fact.Remedy)
	require.NotEmpty(t, fact.Costs)
}

func TestLoopbackThatRefusesIsSaid(t *testing.T) {
	require.Error(t, loopback("127.0.0.1:-1"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("this host's loopback is down; ip link set lo up")
	}
	defer listener.Close()
	require.ErrorIs(t, loopback(listener.Addr().String()), syscall.EADDRINUSE)
}
