//go:build unix

package qmp

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// duplicate does not go through Fd, which would change the caller's file.
func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, dup := -1, error(nil)
	if err := raw.Control(func(original uintptr) {
		fd, dup = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return nil, err
	}
	if dup != nil {
		return nil, os.NewSyscallError("fcntl", dup)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (s *Session) writeFiles(data []byte, files []*os.File) error {
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
		}
		if err != nil {
			return err
		}
	}
	// The descriptors have to come with the command's first byte. The files
	// stay open until the write has returned: see write.
	n, _, err := s.conn.(rightsConn).WriteMsgUnix(data, unix.UnixRights(fds...), nil)
	if err == nil && n < len(data) {
		_, err = s.conn.Write(data[n:])
	}
	return err
}

var _ rightsConn = (*net.UnixConn)(nil)
