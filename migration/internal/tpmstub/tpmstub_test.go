package tpmstub

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAStubCountsLocksAndRefusesTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path)
	require.NoError(t, err)
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	data := os.NewFile(uintptr(pair[0]), "data")
	defer data.Close()

	ask := func(c io.ReadWriter, text string, answer int) string {
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		got := make([]byte, answer)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		return string(got)
	}
	require.Equal(t, "\x00\x00\x00\x00\x00\x01\x37\x8f", ask(c, "\x00\x00\x00\x01", 8))
	_, _, err = c.WriteMsgUnix([]byte{0, 0, 0, setDataFD}, syscall.UnixRights(pair[1]), nil)
	require.NoError(t, err)
	require.NoError(t, syscall.Close(pair[1]))
	require.Equal(t, "\x00\x00\x00\x00", ask(c, "", 4))
	require.Equal(t, "\x80\x01\x00\x00\x00\x0a\x00\x00\x01\x01", ask(data, "\x80\x01\x00\x00\x00\x0c\x00\x00\x01\x44\x00\x00", 10))

	require.Zero(t, s.Locked())
	ask(c, "\x00\x00\x00\x13\x00\x00\x01\x2c", 4)
	require.Equal(t, 1, s.Locked())

	_, err = io.WriteString(c, "\x00\x00\x00\x7f")
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	s.Close()
	_, err = net.Dial("unix", path)
	require.Error(t, err)
}
