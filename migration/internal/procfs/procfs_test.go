package procfs

import (
	"net"
	"os"
	"os/exec"
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

func TestLimitLeavesAsManyDescriptorsFree(t *testing.T) {
	child := exec.Command("sleep", "60")
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	child.ExtraFiles = []*os.File{nil, file} // so it has 0, 1, 2 and 4
	require.NoError(t, child.Start())
	require.NoError(t, file.Close())
	defer func() { _, _ = child.Process.Kill(), child.Wait() }()
	for more, want := range []uint64{3, 5, 6, 7} {
		limit, err := DescriptorLimit(child.Process.Pid, more)
		require.NoError(t, err)
		require.Equal(t, want, limit, "for %d more", more)
	}
	_, err = DescriptorLimit(0, 1)
	require.Error(t, err, "there is no such process")
}
