package steps

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestConnectionYetToComeIsDroppedToo: on a busy host not all channels have come when the
// others are dropped.
func TestConnectionYetToComeIsDroppedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Relay{}
		r.connection(1)
		r.dropAllBut(2)
		for n, want := range []string{"", "sent", ""} {
			source, from := net.Pipe()
			to, destination := net.Pipe()
			go r.connection(n+1).Run(from, func() (net.Conn, error) { return to, nil })
			got := &strings.Builder{}
			go func() { _, _ = io.Copy(got, destination) }()
			_, err := source.Write([]byte("sent"))
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, want, got.String(), "connection %d", n+1)
			r.connection(n + 1).Cut()
			require.NoError(t, destination.Close())
		}
	})
}
