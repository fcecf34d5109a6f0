package launchertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/launcher"
)

// TestFindsTheQEMUThatDroverFinds: fleet.Find is what "drover run" takes, where there
// are no private copies.
func TestFindsTheQEMUThatDroverFinds(t *testing.T) {
	one, two, empty := t.TempDir(), t.TempDir(), t.TempDir()
	put := func(dir, name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700))
		return path
	}
	x86, ppc := put(one, "qemu-system-x86_64"), put(one, "qemu-system-ppc64")
	other, wrapper := put(two, "qemu-system-x86_64"), put(two, "my-qemu")
	for _, c := range []struct {
		name, drover, qtest, path, arch, want string
	}{
		{"from PATH", "", "", one, "x86_64", x86},
		{"from PATH, another target", "", "", one, "ppc64", ppc},
		{"nowhere", "", "", empty, "x86_64", ""},
		{"DROVER_QEMU goes before PATH", other, "", one, "x86_64", other},
		{"QTEST_QEMU_BINARY goes before PATH", "", other, one, "x86_64", other},
		{"DROVER_QEMU goes before QTEST_QEMU_BINARY", x86, other, empty, "x86_64", x86},
		{"the one beside it for another target", x86, "", empty, "ppc64", ppc},
		{"none beside it: PATH", other, "", one, "ppc64", ppc},
		{"a name of another kind is for any target", wrapper, "", one, "ppc64", wrapper},
		{"a bare name is looked up", "my-qemu", "", two, "x86_64", wrapper},
		{"a path that isn't there is an error", filepath.Join(empty, "qemu"), "", one, "x86_64", "error"},
		{"a folder is an error", one, "", one, "x86_64", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("DROVER_QEMU", c.drover)
			t.Setenv("QTEST_QEMU_BINARY", c.qtest)
			t.Setenv("PATH", c.path)
			t.Setenv("XDG_CACHE_HOME", empty)
			path, err := find(launcher.Config{Arch: c.arch})
			theirs, theirErr := fleet.Find(c.arch, fleet.Either, nil)
			require.Equal(t, theirs.Path, path)
			switch c.want {
			case "":
				require.ErrorAs(t, err, new(*missingError))
				require.ErrorAs(t, theirErr, new(*fleet.NotFoundError))
			case "error":
				require.ErrorContains(t, err, "DROVER_QEMU names")
				require.NotErrorAs(t, err, new(*missingError))
				require.ErrorAs(t, theirErr, new(*fleet.NamedError))
			default:
				require.NoError(t, err)
				require.Equal(t, c.want, path)
			}
		})
	}
}

// A test for a target that no QEMU can have must not be skipped for ever.
func TestGoNameOfATargetIsAnError(t *testing.T) {
	for arch, name := range spellings() {
		_, err := find(launcher.Config{Arch: arch})
		require.ErrorContains(t, err, name)
		require.NotErrorAs(t, err, new(*missingError))
	}
}

func TestBinaryThatIsNamedIsTaken(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("DROVER_QEMU", "/of/somebody")
	_, err := find(launcher.Config{Binary: "qemu-system-aarch64"})
	require.ErrorAs(t, err, new(*missingError))
	require.ErrorContains(t, err, "no qemu-system-aarch64 here: name one in DROVER_QEMU")
	require.ErrorContains(t, err, "fleet ensure aarch64")

	path := filepath.Join(dir, "qemu-system-aarch64")
	require.NoError(t, os.WriteFile(path, nil, 0o700))
	found, err := find(launcher.Config{Binary: "qemu-system-aarch64"})
	require.NoError(t, err)
	require.Equal(t, path, found)

	found, err = find(launcher.Config{Binary: "./built/qemu"})
	require.NoError(t, err, "what a path names is launcher's to say")
	require.Equal(t, "./built/qemu", found)
}
