package procfs

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenerIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	sees := func(want bool) {
		t.Helper()
		there, err := Listens(path)
		require.NoError(t, err)
		require.Equal(t, want, there)
	}
	sees(false)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	sees(true)
	require.NoError(t, l.Close())
	sees(false)
}

func TestFieldsOfProcAreRead(t *testing.T) {
	const text = "rchar: 6976\nwchar: 12\nflags:\t0140001\n"
	require.Equal(t, uint64(6976), field(text, "rchar", 10))
	require.Equal(t, uint64(0o140001), field(text, "flags", 8))
	require.Zero(t, field(text, "char", 10))
}
