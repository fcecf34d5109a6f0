package launcher

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileSystemWithoutNamesOfDescriptorsIsSaidBeforeTheStart(t *testing.T) {
	root := t.TempDir()
	named := []string{"-drive", "file=/dev/fd/6,format=raw"}
	require.NoError(t, descriptorsHaveNames(root, []string{"-machine", "none"}), "it opens none")
	require.ErrorContains(t, descriptorsHaveNames(root, named), "mount -t proc proc /proc")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/self/fd"), 0o755))
	require.ErrorContains(t, descriptorsHaveNames(root, named), "ln -s /proc/self/fd /dev/fd")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "dev/fd"), 0o755))
	require.NoError(t, descriptorsHaveNames(root, named))
	require.NoError(t, descriptorsHaveNames("/", named))
}
