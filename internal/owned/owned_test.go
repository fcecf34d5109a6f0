package owned_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/owned"
)

// another is the number of a user that has no name here and owns nothing.
const another = 54321

// giveAway makes another user the owner of a path, which only root can.
func giveAway(t *testing.T, path string) {
	t.Helper()
	if err := os.Lchown(path, another, another); err != nil {
		t.Skipf("only root can give a file to another user (%v); run the tests as root to see this", err)
	}
}

// folder makes a folder a/b/c and returns it.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

func TestWhatOnlyWeCanChangeIsUsed(t *testing.T) {
	dir := folder(t)
	require.NoError(t, owned.Check(dir))
	require.NoError(t, owned.Check("/"))
	require.NoError(t, os.Symlink("b/../b", filepath.Join(dir, "../../link")))
	require.NoError(t, owned.Check(filepath.Join(dir, "../../link/c")))
	require.ErrorIs(t, owned.Check(filepath.Join(dir, "none")), fs.ErrNotExist)
	require.NoError(t, os.Symlink("circle", filepath.Join(dir, "circle")))
	require.ErrorIs(t, owned.Check(filepath.Join(dir, "circle")), syscall.ELOOP)
}

func TestWhatSomebodyElseCanChangeIsNotUsed(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(t *testing.T, dir string)
		blames string // the path that the error names, seen from dir
	}{
		{"another user's folder", giveAway, "."},
		{"below another user's folder", func(t *testing.T, dir string) { giveAway(t, filepath.Dir(dir)) }, ".."},
		{"a folder that everybody may write", func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(dir, 0o777))
		}, "."},
		{"a sticky folder, to make files in", func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
		}, "."},
		{"below a folder that everybody may write", func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777))
		}, ".."},
		{"another group may write", func(t *testing.T, dir string) {
			giveAway(t, dir)
			require.NoError(t, os.Chown(dir, 0, another))
			require.NoError(t, os.Chmod(dir, 0o775))
		}, "."},
		{"through another user's link", func(t *testing.T, dir string) {
			above := filepath.Dir(dir)
			require.NoError(t, os.Rename(dir, dir+"-real"))
			require.NoError(t, os.Symlink("c-real", dir))
			require.NoError(t, os.Chmod(above, 0o777|fs.ModeSticky))
			giveAway(t, dir)
		}, "."},
		{"a link to another user's folder", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+"-real"))
			giveAway(t, dir+"-real")
			require.NoError(t, os.Symlink(dir+"-real", dir))
		}, "../c-real"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			test.spoil(t, dir)
			var e *owned.Error
			require.ErrorAs(t, owned.Check(dir), &e)
			require.Equal(t, filepath.Join(dir, test.blames), e.Path)

			_, err := owned.OpenFile(filepath.Join(dir, "file"), os.O_CREATE|os.O_RDWR, 0o600)
			require.ErrorAs(t, err, new(*owned.Error))
			require.ErrorAs(t, owned.WriteFile(filepath.Join(dir, "file"), nil), new(*owned.Error))
			_, err = owned.ReadFile(filepath.Join(dir, "file"), 1)
			require.ErrorAs(t, err, new(*owned.Error))
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, entries, "nothing was made in it")
		})
	}
}

func TestFoldersBelowAStickyOneAreOurs(t *testing.T) {
	dir := folder(t)
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	below := filepath.Join(dir, "x", "y")
	require.NoError(t, owned.MkdirAll(below, 0o700))
	require.NoError(t, owned.MkdirAll(below, 0o700))
	info, err := os.Stat(below)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	giveAway(t, filepath.Join(dir, "x")) // as if somebody else had been faster
	require.ErrorAs(t, owned.MkdirAll(below, 0o700), new(*owned.Error))
}

func TestAFolderIsNotMadeWhereAFileStands(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorIs(t, owned.MkdirAll(file, 0o700), syscall.ENOTDIR)
	require.ErrorIs(t, owned.MkdirAll(filepath.Join(file, "below"), 0o700), syscall.ENOTDIR)
}

func TestWhatIsNoFileOfOursIsNotTouched(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(t *testing.T, path, precious string)
	}{
		{"a link", func(t *testing.T, path, precious string) { require.NoError(t, os.Symlink(precious, path)) }},
		{"a link to nothing", func(t *testing.T, path, precious string) {
			require.NoError(t, os.Symlink(precious+"-none", path))
		}},
		{"a pipe", func(t *testing.T, path, _ string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) }},
		{"a folder", func(t *testing.T, path, _ string) { require.NoError(t, os.Mkdir(path, 0o700)) }},
		{"a file that everybody may write", func(t *testing.T, path, _ string) {
			require.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600))
			require.NoError(t, os.Chmod(path, 0o666))
		}},
		{"another user's file", func(t *testing.T, path, _ string) {
			require.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600))
			giveAway(t, path)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			precious := filepath.Join(dir, "precious")
			require.NoError(t, os.WriteFile(precious, []byte("dear"), 0o600))
			path := filepath.Join(dir, "file")
			test.put(t, path, precious)
			done := make(chan error, 2)
			go func() { // a pipe would be waited for
				_, err := owned.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
				done <- err
				_, err = owned.ReadFile(path, 100)
				done <- err
			}()
			for range 2 {
				select {
				case err := <-done:
					require.Error(t, err)
				case <-time.After(10 * time.Second):
					t.Fatal("it waits")
				}
			}
			text, err := os.ReadFile(precious)
			require.NoError(t, err)
			require.Equal(t, "dear", string(text))
			require.NoFileExists(t, precious+"-none")
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
				require.NotZero(t, info.Size(), "it was truncated")
			}
		})
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x", "y", "file")
	for _, text := range []string{"first", "2"} {
		require.NoError(t, owned.WriteFile(file, []byte(text)))
		back, err := owned.ReadFile(file, 5)
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	}
	require.NoError(t, owned.WriteFile(file, []byte("larger")))
	_, err := owned.ReadFile(file, 5)
	require.ErrorContains(t, err, "larger than 5 bytes")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
}

func TestALinkThatIsWrittenOverIsReplaced(t *testing.T) {
	dir := folder(t)
	precious, path := filepath.Join(dir, "precious"), filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(precious, []byte("dear"), 0o600))
	require.NoError(t, os.Symlink(precious, path))
	require.NoError(t, owned.WriteFile(path, []byte("new")))
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "dear", string(text))
}

func TestAFolderThatCanNotBeWrittenIsTheSystemsError(t *testing.T) {
	err := owned.WriteFile("/proc/self/none/file", nil)
	require.Error(t, err)
	require.False(t, errors.As(err, new(*owned.Error)), "%v", err)
}
