package peer

import (
	"fmt"
	"io"
	"net"

	"github.com/drover-vm/drover/internal/listening"
)

// An Echo sends back what is sent to it by whoever connects to a UNIX socket, to each its own.
type Echo struct{ server *listening.Server }

// ListenEcho makes one at a UNIX socket of that path, which must not be there yet.
func ListenEcho(path string) (*Echo, error) {
	s, err := listening.Listen(path, func(_ *listening.Server, c *net.UnixConn) {
		_, _ = io.Copy(onlyWriter{c}, onlyReader{c})
	})
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	return &Echo{s}, nil
}

// Close disconnects all, and returns when nothing of it runs any longer.
func (e *Echo) Close() { e.server.Close() }

// An onlyReader has no WriteTo, which io.Copy would use: a socket spliced to itself.
type onlyReader struct{ io.Reader }
