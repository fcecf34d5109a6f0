package procfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChildIsFoundByItsParentWhateverItsName(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	for _, name := range []string{"worker", "a) S 1 (b"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.Symlink(sleep, path))
		child := exec.CommandContext(t.Context(), path, "60")
		require.NoError(t, child.Start())
		found, parent := parentOf(child.Process.Pid)
		require.Equal(t, name, found)
		require.Equal(t, os.Getpid(), parent)
		require.Contains(t, ChildrenOf(1<<30, os.Getpid()), Child{child.Process.Pid, os.Getpid(), name})
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
		_, parent = parentOf(child.Process.Pid)
		require.Zero(t, parent, "of a process that has ended")
	}
}
