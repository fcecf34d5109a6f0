//go:build unix

package qmp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qmp"
)

// pair returns both ends of a UNIX connection.
func pair(t testing.TB) (client, peer *net.UnixConn) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	ends := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		conn, err := net.FileConn(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		ends[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { _ = conn.Close() })
	}
	return ends[0], ends[1]
}

func TestFilesTravelBesideTheirCommand(t *testing.T) {
	client, peer := pair(t)
	type arrival struct {
		text  string
		files int
		inode uint64
	}
	arrived := make(chan arrival)
	go func() {
		s := newServer(t, peer)
		s.say("%s", greeting)
		s.answer(s.hear(), "{}")
		for id := 2; ; id++ {
			data, rights := make([]byte, 1024), make([]byte, 1024)
			n, rn, _, _, err := peer.ReadMsgUnix(data, rights)
			if err != nil || n == 0 {
				return
			}
			a := arrival{text: string(data[:n])}
			messages, _ := unix.ParseSocketControlMessage(rights[:rn])
			for _, m := range messages {
				fds, _ := unix.ParseUnixRights(&m)
				for _, fd := range fds {
					var stat unix.Stat_t
					_ = unix.Fstat(fd, &stat)
					a.files, a.inode = a.files+1, stat.Ino
					_ = unix.Close(fd)
				}
			}
			arrived <- a
			s.say(`{"return": {}, "id": %d}`, id)
		}
	}()
	session, err := qmp.New(t.Context(), client, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()

	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(file.Name(), &stat))

	done := make(chan error, 1)
	go func() {
		done <- session.ExecuteFiles(t.Context(), "getfd", map[string]string{"fdname": "x"}, nil, file)
	}()
	a := <-arrived
	require.Contains(t, a.text, `"getfd"`, "beside the first byte")
	require.Equal(t, 1, a.files)
	require.Equal(t, stat.Ino, a.inode)
	require.NoError(t, <-done)
	_, err = file.WriteString("still the caller's")
	require.NoError(t, err)

	go func() { done <- session.Execute(t.Context(), "query-status", nil, nil) }()
	require.Zero(t, (<-arrived).files)
	require.NoError(t, <-done)
}

func TestFilesNeedAUNIXSocket(t *testing.T) {
	session, _ := open(t, qmp.Options{})
	require.ErrorIs(t, session.ExecuteFiles(t.Context(), "getfd", nil, nil, os.Stdin), qmp.ErrNoFiles)
}

// Asking a file for its descriptor the plain way would make it block.
func TestTheCallersFileStaysAsItWas(t *testing.T) {
	client, peer := pair(t)
	go func() {
		s := newServer(t, peer)
		s.say("%s", greeting)
		<-s.serve(func(r request) string { return returning(r, "{}") })
	}()
	session, err := qmp.New(t.Context(), client, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer write.Close()
	nonblocking := func() (yes bool) {
		raw, err := read.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
			require.NoError(t, err)
			yes = flags&unix.O_NONBLOCK != 0
		}))
		return yes
	}
	require.True(t, nonblocking())
	require.NoError(t, session.ExecuteFiles(t.Context(), "getfd", nil, nil, read))
	require.True(t, nonblocking())
}

func TestFilesThatCannotBeSentAreRefused(t *testing.T) {
	client, peer := pair(t)
	go func() {
		s := newServer(t, peer)
		s.say("%s", greeting)
		<-s.serve(func(r request) string { return returning(r, "{}") })
	}()
	session, err := qmp.New(t.Context(), client, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	closed, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	require.ErrorContains(t, session.ExecuteFiles(t.Context(), "getfd", nil, nil, closed), "file 1 of 1")
	require.Error(t, session.ExecuteFiles(t.Context(), "getfd", nil, nil, nil))
	many := make([]*os.File, 17)
	require.ErrorContains(t, session.ExecuteFiles(t.Context(), "add-fd", nil, nil, many...), "16")
	require.NoError(t, session.ExecuteFiles(t.Context(), "query-status", nil, nil), "none is no error")
}

// No copy of a file may be left, however its command ends.
func TestNoFileIsLeftOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what is left
	client, peer := pair(t)
	s := newServer(t, peer)
	go func() {
		s.say("%s", greeting)
		s.answer(s.hear(), "{}")
	}()
	sent := make(chan struct{})
	session, err := qmp.New(t.Context(), client, qmp.Options{Trace: closeWhenSent("xxxx", sent)})
	require.NoError(t, err)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, session.ExecuteFiles(ended, "getfd", nil, nil, write), context.Canceled)
	_, refused := errors.AsType[*qmp.ArgumentError](session.ExecuteFiles(t.Context(), "getfd", 5, nil, write))
	require.True(t, refused)

	// Nobody reads: the first fills the socket, the others wait behind it.
	failures := make(chan error, 2)
	execute := func(arguments any) {
		failures <- session.ExecuteFiles(t.Context(), "getfd", arguments, nil, write)
	}
	go execute(map[string]string{"fdname": strings.Repeat("x", 8<<20)})
	<-sent
	go execute(nil)
	giveUp, stop := context.WithTimeout(t.Context(), 50*time.Millisecond) // the others are behind each other by then
	defer stop()
	require.ErrorIs(t, session.ExecuteFiles(giveUp, "getfd", nil, nil, write), context.DeadlineExceeded)
	require.NoError(t, session.Close())
	<-failures
	<-failures
	_, closed := errors.AsType[*qmp.ClosedError](session.ExecuteFiles(t.Context(), "getfd", nil, nil, write))
	require.True(t, closed)

	require.NoError(t, peer.Close()) // with what the kernel holds for it
	require.NoError(t, write.Close())
	require.NoError(t, read.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = read.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "every copy of the writing end is closed")
}
