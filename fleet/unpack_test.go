package fleet

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingIsUnpackedOutsideTheFolder(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []tar.Header
	}{
		{"dots", []tar.Header{{Name: "../../evil", Typeflag: tar.TypeReg}}},
		{"through a link", []tar.Header{
			{Name: "usr/lib/out", Typeflag: tar.TypeSymlink, Linkname: "../../../.."},
			{Name: "usr/lib/out/evil", Typeflag: tar.TypeReg},
		}},
		{"a hard link", []tar.Header{{Name: "usr/lib/evil", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, header := range test.entries {
				require.NoError(t, w.WriteHeader(&header))
			}
			require.NoError(t, w.Close())
			folder := filepath.Join(t.TempDir(), "a/b/c")
			require.NoError(t, os.MkdirAll(folder, 0o755))
			root, err := os.OpenRoot(folder)
			require.NoError(t, err)
			defer root.Close()
			require.Error(t, untar(&archive, root))
			require.NoFileExists(t, filepath.Join(folder, "../../evil"))
		})
	}
}

func TestAbsoluteLinksStayInTheCopy(t *testing.T) {
	require.Equal(t, "../lib/x/ld.so", relativeLink("lib64/ld.so", "/lib/x/ld.so"))
	require.Equal(t, "../seabios/bios.bin", relativeLink("usr/share/qemu/bios.bin", "../seabios/bios.bin"))
}

// TestAProgramRunsThroughTheLoaderOfItsCopy makes a copy from a program of
// this system with its libraries.
func TestAProgramRunsThroughTheLoaderOfItsCopy(t *testing.T) {
	interpreter, isELF, err := interpreterOf("/bin/true")
	if err != nil || !isELF || interpreter == "" {
		t.Skip("this system's /bin/true has no loader")
	}
	root := filepath.Join(t.TempDir(), "it's a copy")
	copyFile := func(from, to string) {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, to)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, to), data, 0o755))
	}
	copyFile("/bin/true", "usr/libexec/qemu-system-i386")
	copyFile(interpreter, "usr/lib/abc/"+filepath.Base(interpreter))
	libc, _ := filepath.Glob("/lib/*/libc.so.6")
	if len(libc) == 0 {
		libc, _ = filepath.Glob("/lib*/libc.so.6")
	}
	require.NotEmpty(t, libc)
	copyFile(libc[0], "usr/lib/abc/libc.so.6")
	copyFile(libc[0], "usr/lib/abc/glibc-hwcaps/x/libc.so.6")
	copyFile("/bin/true", "usr/lib/abc/qemu/module.so")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "usr/bin/qemu-system-i386"), []byte("#!/bin/sh\nexit 1\n"), 0o755))

	found, err := binaries(root)
	require.NoError(t, err)
	l := found["i386"]
	require.Equal(t, layout{
		binary: "usr/libexec/qemu-system-i386", loader: "usr/lib/abc/" + filepath.Base(interpreter),
		libs: []string{"usr/lib/abc"}, modules: "usr/lib/abc/qemu",
	}, l)
	script := filepath.Join(root, "start")
	require.NoError(t, os.WriteFile(script, []byte(l.script(root)), 0o755))
	out, err := exec.Command("/bin/sh", script).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
