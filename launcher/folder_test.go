package launcher_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher"
)

func TestPrivateFolderIsPrivateAndGoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f, err := launcher.NewPrivateFolder()
	require.NoError(t, err)
	for _, dir := range []string{f.Path(), filepath.Dir(f.Path())} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.Path(), "file"), nil, 0o600))
	second, err := launcher.NewPrivateFolder()
	require.NoError(t, err)
	require.DirExists(t, f.Path(), "it is held")
	require.NoError(t, f.Remove())
	require.NoError(t, f.Remove())
	require.NoDirExists(t, f.Path())
	require.NoError(t, second.Remove())
}

func TestPrivateFolderOfAProcessThatWasKilledGoesWithTheNext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnd+"=folder")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	left := strings.TrimSpace(said)
	listener, err := net.Listen("unix", filepath.Join(left, "socket"))
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.DirExists(t, left)

	f, err := launcher.NewPrivateFolder()
	require.NoError(t, err)
	require.NoDirExists(t, left)
	require.NoError(t, f.Remove())
	require.NoDirExists(t, filepath.Dir(left), "it was the last")
}

func TestPrivateFoldersOfManyDoNotSweepEachOther(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				f, err := launcher.NewPrivateFolder()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(f.Path()); err != nil {
					t.Error(err)
				}
				_ = f.Remove()
			}
		})
	}
	all.Wait()
}

func TestPlaceOfPrivateFoldersMustBeOurs(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	f, err := launcher.NewPrivateFolder()
	require.NoError(t, err)
	require.NoError(t, f.Remove())
	base := filepath.Dir(f.Path())
	require.NoError(t, os.Mkdir(base, 0o700))
	require.NoError(t, os.Chmod(base, 0o777)) // as somebody else might have made it
	_, err = launcher.NewPrivateFolder()
	require.ErrorContains(t, err, "TMPDIR")
	require.NoError(t, os.Remove(base))
	require.NoError(t, os.Symlink(t.TempDir(), base))
	_, err = launcher.NewPrivateFolder()
	require.ErrorContains(t, err, "TMPDIR")
}

func TestPrivateFolderWithoutATemporaryFolderIsAnError(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	_, err := launcher.NewPrivateFolder()
	require.ErrorIs(t, err, os.ErrNotExist)
}
