package qmp

import (
	"fmt"
	"net"
	"os"
)

// maxFiles is how many files a monitor takes beside one message (TCP_MAX_FDS in
// QEMU). More would be lost without an error.
const maxFiles = 16

// A rightsConn is a connection that carries descriptors: *net.UnixConn, or what
// is made of one.
type rightsConn interface {
	WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
}

// duplicate makes copies of files, which outlive a caller that leaves before
// they are sent.
func (s *Session) duplicate(files []*os.File) ([]*os.File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if _, ok := s.conn.(rightsConn); !ok {
		return nil, fmt.Errorf("%w, and this session is on a %T", ErrNoFiles, s.conn)
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("a monitor takes %d files beside one command, not %d", maxFiles, len(files))
	}
	var copies []*os.File
	for i, f := range files {
		c, err := duplicate(f)
		if err != nil {
			closeAll(copies)
			return nil, fmt.Errorf("file %d of %d: %w", i+1, len(files), err)
		}
		copies = append(copies, c)
	}
	return copies, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
