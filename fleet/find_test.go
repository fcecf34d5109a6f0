package fleet

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStrongestNameWins(t *testing.T) {
	h := newFakeHost(t)
	inPath := h.program(t, "bin/qemu-system-x86_64")
	find := func(side Side) Binary {
		t.Helper()
		b, err := h.fleet.Find("x86_64", side)
		require.NoError(t, err)
		return b
	}
	require.Equal(t, Binary{Arch: "x86_64", Path: inPath, Origin: "PATH"}, find(Source))
	for _, test := range []struct {
		variable string
		sides    []Side
	}{ // the weakest first: each stays set
		{"QTEST_QEMU_BINARY", []Side{Either, Source, Destination}},
		{"QTEST_QEMU_BINARY_SRC", []Side{Source}},
		{"QTEST_QEMU_BINARY_DST", []Side{Destination}},
		{"DROVER_QEMU", []Side{Either, Source, Destination}},
		{"DROVER_QEMU_SRC", []Side{Source}},
		{"DROVER_QEMU_DST", []Side{Destination}},
	} {
		h.env[test.variable] = h.program(t, test.variable+"/qemu-system-x86_64")
		for _, side := range []Side{Either, Source, Destination} {
			if slices.Contains(test.sides, side) {
				require.Equal(t, Binary{Arch: "x86_64", Path: h.env[test.variable], Origin: test.variable}, find(side))
			} else {
				require.NotEqual(t, h.env[test.variable], find(side).Path)
			}
		}
	}
}

func TestANamedBinaryAnswersForItsOwnArchitecture(t *testing.T) {
	h := newFakeHost(t)
	h.env["DROVER_QEMU"] = h.program(t, "build/qemu-system-x86_64")
	sibling := h.program(t, "build/qemu-system-i386")
	inPath := h.program(t, "bin/qemu-system-ppc64")

	b, err := h.fleet.Find("i386", Either)
	require.NoError(t, err)
	require.Equal(t, Binary{Arch: "i386", Path: sibling, Origin: "DROVER_QEMU"}, b)
	b, err = h.fleet.Find("ppc64", Either)
	require.NoError(t, err)
	require.Equal(t, Binary{Arch: "ppc64", Path: inPath, Origin: "PATH"}, b)
	_, err = h.fleet.Find("s390x", Either)
	require.ErrorAs(t, err, new(*NotFoundError))
}

func TestABinaryOfAnotherNameIsTakenForAnyArchitecture(t *testing.T) {
	h := newFakeHost(t)
	h.env["DROVER_QEMU"] = h.program(t, "my build/qemu, patched")
	for _, arch := range []string{"x86_64", "ppc64"} {
		b, err := h.fleet.Find(arch, Source)
		require.NoError(t, err)
		require.Equal(t, Binary{Arch: arch, Path: h.env["DROVER_QEMU"], Origin: "DROVER_QEMU"}, b)
	}
}

func TestABareNameIsLookedUpInPath(t *testing.T) {
	h := newFakeHost(t)
	h.env["DROVER_QEMU"] = "qemu-kvm"
	_, err := h.fleet.Find("x86_64", Either)
	require.ErrorIs(t, err, fs.ErrNotExist)
	path := h.program(t, "bin/qemu-kvm")
	b, err := h.fleet.Find("x86_64", Either)
	require.NoError(t, err)
	require.Equal(t, path, b.Path)
}

func TestARelativeNameIsMadeAbsolute(t *testing.T) {
	h := newFakeHost(t)
	h.program(t, "work/qemu-system-x86_64")
	t.Chdir(filepath.Join(h.root, "work"))
	h.env["DROVER_QEMU"] = "./qemu-system-x86_64"
	b, err := h.fleet.Find("x86_64", Either)
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(b.Path))
	require.FileExists(t, b.Path)
}

func TestFoldersOfPathThatAreNotAbsoluteArePassedOver(t *testing.T) {
	h := newFakeHost(t)
	h.program(t, "work/qemu-system-x86_64")
	t.Chdir(filepath.Join(h.root, "work"))
	h.env["PATH"] = ".::" + h.env["PATH"]
	_, err := h.fleet.Find("x86_64", Either)
	require.ErrorAs(t, err, new(*NotFoundError))
}

func TestWhatCannotBeRunIsAnErrorThatNamesTheVariable(t *testing.T) {
	h := newFakeHost(t)
	for _, test := range []struct{ path, reason string }{
		{"/nonexistent/qemu-system-x86_64", "does not exist"},
		{h.root, "is a folder"},
		{h.write(t, "text", "hello"), "is not executable"},
		{"/dev/null", "is not a regular file"},
		{h.write(t, "file", "") + "/qemu", "can't be used"},
	} {
		h.env["DROVER_QEMU_DST"] = test.path
		_, err := h.fleet.Find("x86_64", Destination)
		var named *NamedError
		require.ErrorAs(t, err, &named)
		require.Equal(t, "DROVER_QEMU_DST", named.Variable)
		require.Contains(t, err.Error(), test.reason)
		_, err = h.fleet.Find("x86_64", Source)
		require.ErrorAs(t, err, new(*NotFoundError), "the other side isn't concerned")
	}
}

func TestNotFoundSaysWhatToDo(t *testing.T) {
	h := newFakeHost(t)
	_, err := h.fleet.Find("ppc64", Source)
	var notFound *NotFoundError
	require.ErrorAs(t, err, &notFound)
	require.Equal(t, "ppc64", notFound.Arch)
	require.Contains(t, notFound.Searched, "DROVER_QEMU_SRC")
	require.Contains(t, notFound.Remedy, "drover fleet ensure ppc64")

	_, err = h.fleet.Find("vax", Either)
	require.ErrorAs(t, err, new(*UnknownArchError))
	_, err = h.fleet.Find("../x86_64", Either)
	require.ErrorAs(t, err, new(*UnknownArchError))
}

func TestWithoutACacheFolderNoPrivateCopyIsLookedFor(t *testing.T) {
	h := newFakeHost(t)
	delete(h.env, "DROVER_CACHE")
	t.Setenv("HOME", "") // as in a service of systemd
	t.Setenv("XDG_CACHE_HOME", "")
	_, err := h.fleet.Find("x86_64", Either)
	notFound := new(NotFoundError)
	require.ErrorAs(t, err, &notFound)
	require.NotContains(t, notFound.Searched, "the private copies")
	require.Contains(t, notFound.Remedy, "set DROVER_CACHE")
}

func TestInstallHints(t *testing.T) {
	for release, want := range map[string]string{
		"ID=debian":                          "sudo apt install qemu-system-ppc",
		"ID=linuxmint\nID_LIKE='ubuntu'":     "sudo apt install qemu-system-ppc",
		"ID=fedora":                          "sudo dnf install qemu-system-ppc-core",
		"ID=\"rocky\"\nID_LIKE=\"rhel x\"":   "sudo dnf install qemu-system-ppc-core",
		"ID=arch":                            "sudo pacman -S qemu-system-ppc",
		"ID=alpine":                          "sudo apk add qemu-system-ppc64",
		"ID=opensuse-leap\nID_LIKE=\"suse\"": "sudo zypper install qemu-ppc",
		"ID=nixos":                           "nix-shell -p qemu",
		"ID=plan9":                           "qemu-system-ppc",
	} {
		h := newFakeHost(t)
		h.write(t, "etc/os-release", release+"\n")
		require.Contains(t, h.fleet.InstallHint("ppc64"), want)
	}
}

func TestAllNamesEachFileOnce(t *testing.T) {
	h := newFakeHost(t)
	inPath := h.program(t, "bin/qemu-system-i386")
	h.env["DROVER_QEMU"] = inPath
	h.env["DROVER_QEMU_SRC"] = "/nonexistent"
	linked := filepath.Join(h.dir(t, "usr"), "bin") // as /bin and /usr/bin are one folder
	require.NoError(t, os.Symlink(h.env["PATH"], linked))
	h.env["PATH"] += string(filepath.ListSeparator) + linked
	_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	var origins []string
	for _, b := range h.fleet.All() {
		origins = append(origins, b.Origin+" "+b.Arch)
	}
	require.Equal(t, []string{"DROVER_QEMU i386", "fleet x86_64", "fleet i386"}, origins)
}

func TestParseArchKnowsOtherSystemsNames(t *testing.T) {
	for name, want := range map[string]string{"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64", "i686": "i386", " S390X ": "s390x"} {
		got, err := ParseArch(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	arch, ok := ArchOf("/a/qemu-system-x86_64-microvm")
	require.False(t, ok)
	require.Empty(t, arch)
	arch, ok = ArchOf("/a/qemu-system-ppc64")
	require.True(t, ok)
	require.Equal(t, "ppc64", arch)
}

func TestEveryReleaseIsNamedByItsSuiteAndItsVersion(t *testing.T) {
	h := newFakeHost(t)
	for _, r := range Releases() {
		for _, name := range []string{r.Suite, r.QEMU} {
			got, err := h.fleet.Release(name)
			require.NoError(t, err)
			require.Equal(t, r, got)
		}
	}
	_, err := h.fleet.Release("buster")
	require.ErrorAs(t, err, new(*UnknownReleaseError))
	require.NoError(t, os.Remove(filepath.Join(h.root, "bin/apt-get")))
	_, err = h.fleet.Release("distribution")
	require.Error(t, err)
}
