package launcher_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher"
)

func newArtifacts(t *testing.T, base, name string) *launcher.ArtifactFolder {
	t.Helper()
	f, err := launcher.NewArtifactFolder(base, name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Remove() })
	return f
}

func TestArtifactFolderIsKeptOrGoes(t *testing.T) {
	base := filepath.Join(t.TempDir(), "made", "on the way")
	f := newArtifacts(t, base, "x86_64-precopy/unix/plain")
	require.Equal(t, base, filepath.Dir(f.Path()))
	require.True(t, strings.HasPrefix(filepath.Base(f.Path()), "drover-x86_64-precopy-unix-plain-"))
	info, err := os.Stat(f.Path())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, os.WriteFile(filepath.Join(f.Path(), "record.json"), nil, 0o600))

	other := newArtifacts(t, base, "x")
	require.DirExists(t, f.Path(), "it is held")
	require.NoError(t, other.Remove())
	require.NoError(t, other.Remove())
	require.NoDirExists(t, other.Path())

	require.NoError(t, f.Keep())
	require.NoError(t, f.Keep())
	entries, err := os.ReadDir(f.Path())
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing but the artifacts is left in it")
	newArtifacts(t, base, "y")
	require.FileExists(t, filepath.Join(f.Path(), "record.json"))
	require.NoError(t, f.Remove())
	require.NoDirExists(t, f.Path())
	require.NoError(t, f.Keep(), "there is nothing to keep any more")
}

func TestArtifactsOfAKilledRunGoWithTheNextUnlessTheyWereKept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	left := killedWith(t, "artifacts")
	kept, other := left[0], left[1]
	newArtifacts(t, t.TempDir(), "elsewhere")
	require.DirExists(t, other, "that was another place")
	newArtifacts(t, "", "x")
	require.DirExists(t, kept)
	require.NoDirExists(t, other)
}

func TestOnlyArtifactsOfOurKilledRunsAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	base := os.TempDir()
	mark := func(dir string) string { return filepath.Join(dir, ".not-kept") }
	folder := func(name string, marked bool) string {
		dir := filepath.Join(base, name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		if marked {
			require.NoError(t, os.WriteFile(mark(dir), nil, 0o600))
		}
		return dir
	}
	left := folder("drover-left", true)
	stays := []string{
		folder("drover-unmarked", false), // a version that had no marks made it, or a person
		folder("else-marked", true),
		folder("drover-marked-by-a-pipe", false),
		folder("drover-marked-by-a-folder", false),
		folder("drover-marked-by-a-link", false),
		folder("elsewhere", true),
	}
	require.NoError(t, syscall.Mkfifo(mark(stays[2]), 0o600))
	require.NoError(t, os.Mkdir(mark(stays[3]), 0o700))
	require.NoError(t, os.Symlink("../elsewhere/.not-kept", mark(stays[4])))
	link := filepath.Join(base, "drover-link")
	require.NoError(t, os.Symlink("elsewhere", link))
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(mark(outside), nil, 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(base, "drover-outside")))
	require.NoError(t, os.WriteFile(filepath.Join(base, "drover-file"), nil, 0o600))
	if theirs := folder("drover-of-another-user", true); os.Lchown(theirs, 54321, 54321) == nil { // root's right
		stays = append(stays, theirs)
	}

	newArtifacts(t, base, "x")
	require.NoDirExists(t, left)
	for _, dir := range append(stays, outside) {
		require.DirExists(t, dir)
	}
	require.FileExists(t, link)
	require.FileExists(t, mark(outside))
	require.FileExists(t, filepath.Join(base, "drover-file"))
}

func TestArtifactFoldersOfManyDoNotSweepEachOther(t *testing.T) {
	base := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				f, err := launcher.NewArtifactFolder(base, "x")
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
	entries, err := os.ReadDir(base)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestArtifactFolderThatCanNotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for base, named := range map[string]string{file: file, filepath.Join(file, "below"): file, "/proc": "/proc"} {
		_, err := launcher.NewArtifactFolder(base, "x")
		require.ErrorContains(t, err, named)
		require.NotContains(t, err.Error(), "TMPDIR")
	}
}
