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

// giveAway makes another user the owner of a path.
func giveAway(t *testing.T, path string) {
	t.Helper()
	if err := os.Lchown(path, 54321, 54321); err != nil {
		t.Skipf("only root can give a file to another user (%v); run the tests as root to see this", err)
	}
}

// short returns a folder whose path is short enough for a socket's; that of t.TempDir need
// not.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "d-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func TestPrivateFolderIsPrivateAndGoes(t *testing.T) {
	t.Setenv("TMPDIR", short(t))
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

// killedWith starts this test's program as a child that makes folders and prints their
// paths, and kills it.
func killedWith(t *testing.T, how string) (left []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnd+"="+how)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	output, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	left = strings.Fields(output)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	for _, path := range left {
		require.DirExists(t, path)
	}
	return left
}

func TestPrivateFolderOfAProcessThatWasKilledGoesWithTheNext(t *testing.T) {
	for name, temporary := range map[string]func(t *testing.T) string{"short": short, "long": long} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", temporary(t))
			left := killedWith(t, "folder")[0]
			listener, err := net.Listen("unix", filepath.Join(left, "socket"))
			require.NoError(t, err)
			defer listener.Close()

			f, err := launcher.NewPrivateFolder()
			require.NoError(t, err)
			require.NoDirExists(t, left)
			require.NoError(t, f.Remove())
			require.NoDirExists(t, f.Path())
			if name == "short" { // else the folder around it may be others' too
				require.NoDirExists(t, filepath.Dir(left), "it was the last")
			}
		})
	}
}

// long returns a folder in whose path no socket's would fit.
func long(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	require.NoError(t, os.Mkdir(dir, 0o700))
	return dir
}

func TestPrivateFolderHasAShortAndPlainPathWhateverTMPDIRIs(t *testing.T) {
	for _, test := range []struct {
		name  string
		place func(t *testing.T) string
	}{
		{"a short one", short},
		{"a long one", long},
		{"the longest that fits", func(t *testing.T) string {
			dir := short(t)
			return filepath.Join(dir, strings.Repeat("y", 54-len(dir)-1))
		}},
		{"with a blank", func(t *testing.T) string { return filepath.Join(short(t), "a b") }},
		{"with a comma", func(t *testing.T) string { return filepath.Join(short(t), "a,b") }},
		{"with quotes", func(t *testing.T) string { return filepath.Join(short(t), `'"$(x)`) }},
		{"with a line's end", func(t *testing.T) string { return filepath.Join(short(t), "a\nb") }},
		{"not UTF-8", func(t *testing.T) string { return filepath.Join(short(t), "\xff\xfe") }},
		{"in the user's own script", func(t *testing.T) string { return filepath.Join(short(t), "größe") }},
		{"everybody may write it", func(t *testing.T) string {
			dir := short(t)
			require.NoError(t, os.Chmod(dir, 0o777))
			return dir
		}},
		{"another user's", func(t *testing.T) string {
			dir := short(t)
			giveAway(t, dir)
			return dir
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			place := test.place(t)
			require.NoError(t, os.MkdirAll(place, 0o700))
			t.Setenv("TMPDIR", place)
			f, err := launcher.NewPrivateFolder()
			require.NoError(t, err)
			defer f.Remove()
			listener, err := net.Listen("unix", filepath.Join(f.Path(), strings.Repeat("s", launcher.NameRoom)))
			require.NoError(t, err)
			defer listener.Close()
			require.Regexp(t, `^[\pL\d/._-]+$`, f.Path())
			for _, dir := range []string{f.Path(), filepath.Dir(f.Path())} {
				info, err := os.Stat(dir)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
			}
		})
	}
}

func TestPrivateFoldersOfManyDoNotSweepEachOther(t *testing.T) {
	t.Setenv("TMPDIR", short(t))
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
	temporary := short(t)
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

func TestTMPDIRThatCanNotBeUsedIsAnErrorThatNamesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, test := range []struct {
		path string
		is   error
	}{
		{filepath.Join(t.TempDir(), "nowhere"), os.ErrNotExist},
		{file, nil},
		{"/proc", os.ErrNotExist}, // where nobody can make a folder
	} {
		t.Setenv("TMPDIR", test.path)
		for _, err := range []error{
			func() error { _, err := launcher.NewPrivateFolder(); return err }(),
			func() error { _, err := launcher.NewArtifactFolder("", "x"); return err }(),
		} {
			require.ErrorContains(t, err, "TMPDIR is "+test.path)
			require.ErrorContains(t, err, "set TMPDIR to a folder that this user may write")
			require.NotContains(t, err.Error(), "\n")
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		}
	}
}
