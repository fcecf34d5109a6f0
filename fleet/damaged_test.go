package fleet

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// interrupted leaves a package file in the archives as a fetch that was interrupted
// while it unpacked does: of the right size, with another content.
func interrupted(t *testing.T, h *fakeHost) string {
	t.Helper()
	content := strings.Join(fakePackages()["qemu-system-x86"], "\n")
	return h.write(t, "a user's cache/drover/fleet/bookworm/.download/archives/qemu-system-x86_1%3a2_amd64.deb", "X"+content[1:])
}

func TestADamagedPackageIsFetchedAgain(t *testing.T) {
	for name, hash := range map[string]string{
		"its hash tells":       "",
		"unpacking it tells":   "SHA3:0",
		"there is no hash":     " ",
		"an old mirror's hash": "MD5Sum:3b0a9eb4dd0d3cb9f6a7e4d5b8c2f1a0",
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t)
			interrupted(t, h)
			if hash != "" {
				h.write(t, "bin/fake-hash", hash)
			}
			binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			if strings.HasPrefix(hash, "MD5Sum") { // which nothing that is fetched has
				require.ErrorContains(t, err, "it was fetched twice")
				return
			}
			require.NoError(t, err)
			require.Len(t, binaries, 2)
			require.Empty(t, h.fleet.Problems())
		})
	}
}

func TestAPackageThatIsDamagedEachTimeIsAnErrorWithAWayOut(t *testing.T) {
	h := newFakeHost(t)
	left := interrupted(t, h)
	h.write(t, "bin/fake-hash", "SHA256:"+strings.Repeat("0", 64))
	_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	var fetch *FetchError
	require.ErrorAs(t, err, &fetch)
	require.Equal(t, "unpack", fetch.Step)
	require.Contains(t, fetch.Reason, "qemu-system-x86_1%3a2_amd64.deb")
	require.Contains(t, fetch.Reason, "fetched twice")
	require.Contains(t, fetch.Remedy, "DROVER_DEBIAN_MIRROR")
	require.NoFileExists(t, left, "the next fetch has it anew")
	require.NoError(t, os.Remove(filepath.Join(h.root, "bin/fake-hash")))
	_, err = h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
}

func TestADamagedCopyIsToldAndMadeAnew(t *testing.T) {
	const place = "a user's cache/drover/fleet/bookworm/qemu-system-x86/"
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, h *fakeHost)
		told  string
	}{
		{"its binary is missing", func(t *testing.T, h *fakeHost) {
			require.NoError(t, os.Remove(filepath.Join(h.root, place+"usr/bin/qemu-system-x86_64")))
		}, "usr/bin/qemu-system-x86_64 is missing"},
		{"its binary is cut off", func(t *testing.T, h *fakeHost) {
			require.NoError(t, os.Truncate(filepath.Join(h.root, place+"usr/bin/qemu-system-x86_64"), 10))
		}, "usr/bin/qemu-system-x86_64 has 10 bytes"},
		{"its firmware is missing", func(t *testing.T, h *fakeHost) {
			require.NoError(t, os.RemoveAll(filepath.Join(h.root, place+"usr/share/qemu")))
		}, "usr/share/qemu is missing"},
		{"a file became a link to nothing", func(t *testing.T, h *fakeHost) {
			bios := filepath.Join(h.root, place+"usr/share/qemu/bios.bin")
			require.NoError(t, os.Remove(bios))
			require.NoError(t, os.Symlink("none", bios))
		}, "bios.bin"},
		{"everybody may write it", func(t *testing.T, h *fakeHost) {
			require.NoError(t, os.Chmod(filepath.Join(h.root, place+"usr/bin/qemu-system-x86_64"), 0o777))
		}, "DROVER_CACHE"},
		{"made before sizes were kept, and empty", func(t *testing.T, h *fakeHost) {
			h.write(t, place+"stamp.json", `{"format": 1, "suite": "bookworm", "package": "qemu-system-x86", "arches": ["x86_64", "i386"]}`)
			require.NoError(t, os.Truncate(filepath.Join(h.root, place+"usr/bin/qemu-system-i386"), 0))
		}, "usr/bin/qemu-system-i386 is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newFakeHost(t)
			binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			require.Empty(t, h.fleet.Problems())

			test.spoil(t, h)
			require.Empty(t, h.fleet.Copies())
			problems := h.fleet.Problems()
			require.Len(t, problems, 1)
			require.ErrorContains(t, problems[0], test.told)
			_, err = h.fleet.Find("x86_64", Either)
			require.ErrorAs(t, err, new(*NotFoundError))
			require.ErrorContains(t, err, test.told)

			again, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			require.Equal(t, binaries, again)
			require.Empty(t, h.fleet.Problems())
		})
	}
}

func TestWhatFetchesADamagedCopyNamesATargetThatIsNotFetchedUnasked(t *testing.T) {
	h := newFakeHost(t)
	binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h), "ppc64")
	require.NoError(t, err)
	require.NoError(t, os.Remove(binaries[0].Path))
	require.Len(t, h.fleet.Problems(), 1)
	require.ErrorContains(t, h.fleet.Problems()[0], "drover fleet fetch bookworm --arch ppc64 makes it anew")
}

func TestACopyOfOneTargetIsUsedWhateverBecameOfAnother(t *testing.T) {
	h := newFakeHost(t)
	binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h), "x86_64", "ppc64")
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(h.root, "a user's cache/drover/fleet/bookworm/qemu-system-ppc/usr/bin/qemu-system-ppc64")))
	require.Len(t, h.fleet.Problems(), 1)

	found, err := h.fleet.Find("x86_64", Either)
	require.NoError(t, err)
	require.Equal(t, binaries[0], found)
	found, ok := h.fleet.Fetched("bookworm", "x86_64")
	require.True(t, ok)
	require.Equal(t, binaries[0], found)

	_, ok = h.fleet.Fetched("bookworm", "ppc64")
	require.False(t, ok)
	_, err = h.fleet.Find("ppc64", Either)
	require.ErrorContains(t, err, "qemu-system-ppc64 is missing")
}

func TestADamagedScriptIsWrittenAgainWithoutFetching(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, script string){
		"emptied": func(t *testing.T, script string) { require.NoError(t, os.Truncate(script, 0)) },
		"cut off": func(t *testing.T, script string) { require.NoError(t, os.Truncate(script, 60)) },
		"of a copy elsewhere": func(t *testing.T, script string) {
			text, err := os.ReadFile(script)
			require.NoError(t, err)
			moved := strings.ReplaceAll(string(text), "bookworm", "trixie")
			require.NoError(t, os.WriteFile(script, []byte(moved), 0o755))
		},
		"not executable": func(t *testing.T, script string) { require.NoError(t, os.Chmod(script, 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t)
			binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			spoil(t, binaries[0].Path)
			require.Len(t, h.fleet.Problems(), 1)
			h.write(t, "bin/fake-apt", "update E: apt-get must not be run")
			_, err = h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			require.Empty(t, h.fleet.Problems())
		})
	}
}

func TestCopiesThatAnotherUserCanChangeAreNotUsed(t *testing.T) {
	const another = 54321
	for name, spoil := range map[string]func(t *testing.T, cache string){
		"another user's cache": func(t *testing.T, cache string) {
			if err := os.Lchown(cache, another, another); err != nil {
				t.Skipf("only root can give a file to another user (%v); run the tests as root to see this", err)
			}
		},
		"a cache that everybody may write": func(t *testing.T, cache string) {
			require.NoError(t, os.Chmod(cache, 0o777))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t)
			_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			cache := h.env["DROVER_CACHE"]
			spoil(t, cache)
			require.Empty(t, h.fleet.Copies())
			require.Empty(t, h.fleet.All())
			_, err = h.fleet.Find("x86_64", Either)
			require.ErrorContains(t, err, "set DROVER_CACHE")

			before := tree(t, cache)
			_, err = h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.ErrorAs(t, err, new(*UnsafeFolderError))
			require.ErrorContains(t, err, cache)
			require.Error(t, h.fleet.Remove(t.Context(), "bookworm"))
			require.Equal(t, before, tree(t, cache), "nothing was written or removed there")
		})
	}
}

func TestALockThatIsALinkIsNotFollowed(t *testing.T) {
	h := newFakeHost(t)
	precious := h.write(t, "precious", "dear")
	fleet := filepath.Join(h.env["DROVER_CACHE"], "drover", "fleet")
	require.NoError(t, os.MkdirAll(fleet, 0o755))
	for _, target := range []string{precious, precious + "-none"} {
		link := filepath.Join(fleet, "bookworm.lock")
		_ = os.Remove(link)
		require.NoError(t, os.Symlink(target, link))
		_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
		require.ErrorContains(t, err, "is a symbolic link")
	}
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "dear", string(text))
	require.NoFileExists(t, precious+"-none")
}

// tree lists what is below a folder.
func tree(t *testing.T, root string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}))
	return names
}
