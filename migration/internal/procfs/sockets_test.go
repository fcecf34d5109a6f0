package procfs

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOtherEndOfAConnectionIsKnown(t *testing.T) {
	sleep := exec.CommandContext(t.Context(), "sleep", "60")
	require.NoError(t, sleep.Start())
	t.Cleanup(func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
	})
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"}[network]
			l, err := net.Listen(network, address)
			require.NoError(t, err)
			defer l.Close()
			dialled, err := net.Dial(network, l.Addr().String())
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
