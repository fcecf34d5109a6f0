package fleet

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func bookworm(t *testing.T, h *fakeHost) Release {
	t.Helper()
	r, err := h.fleet.Distribution()
	require.NoError(t, err)
	require.Equal(t, "bookworm", r.Suite)
	return r
}

func TestACopyIsFetchedAndRuns(t *testing.T) {
	h := newFakeHost(t)
	var steps []string
	h.fleet.Progress = func(p Progress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			steps = append(steps, p.Step)
		}
	}
	binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	require.Equal(t, []string{"lists", "download", "unpack", "check", "done"}, steps)
	require.Len(t, binaries, 2)
	require.Equal(t, Binary{
		Arch: "x86_64", Origin: "fleet", Suite: "bookworm",
		Path: filepath.Join(h.env["DROVER_CACHE"], "drover/fleet/bookworm/bin/qemu-system-x86_64"),
	}, binaries[0])

	out, err := exec.Command(binaries[0].Path, "-name", "it's a", "b").Output()
	require.NoError(t, err)
	copied := filepath.Join(h.env["DROVER_CACHE"], "drover/fleet/bookworm/qemu-system-x86")
	require.Equal(t, "QEMU emulator version 7.2.0 -L "+copied+"/usr/share/qemu -name it's a b\n", string(out))

	require.NoFileExists(t, filepath.Join(copied, "usr/share/doc/x/y"), "documents are left out")
	require.NoDirExists(t, filepath.Join(copied, "../.download"), "the packages are deleted")
	stat, err := os.Stat(filepath.Join(copied, "usr/bin/qemu-system-x86_64"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), stat.Mode(), "set-user-ID is left out")
}

func TestFetchingAgainDoesNothing(t *testing.T) {
	h := newFakeHost(t)
	first, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	h.write(t, "bin/fake-apt", "update E: apt-get must not be run")
	h.fleet.Progress = func(p Progress) { t.Errorf("told %v", p) }
	again, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestAnotherArchitectureComesBesideTheFirst(t *testing.T) {
	h := newFakeHost(t)
	_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	_, err = h.fleet.Fetch(t.Context(), bookworm(t, h), "ppc64el", "amd64")
	require.NoError(t, err)
	copies := h.fleet.Copies()
	require.Len(t, copies, 1)
	require.Len(t, copies[0].Binaries, 3)
}

func TestALostScriptIsWrittenAgainWithoutFetching(t *testing.T) {
	h := newFakeHost(t)
	binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	require.NoError(t, os.Remove(binaries[1].Path))
	h.write(t, "bin/fake-apt", "update E: apt-get must not be run")
	_, err = h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	require.FileExists(t, binaries[1].Path)
}

func TestACopyWithoutItsStampIsFetchedAnew(t *testing.T) {
	for name, text := range map[string]string{"none": "", "broken": "{", "of another format": `{"format":0,"package":"qemu-system-x86","arches":["x86_64"]}`} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t)
			binaries, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			stamp := filepath.Join(filepath.Dir(binaries[0].Path), "../qemu-system-x86/stamp.json")
			require.NoError(t, os.WriteFile(stamp, []byte(text), 0o644))
			_, err = h.fleet.Find("x86_64", Either)
			require.ErrorAs(t, err, new(*NotFoundError))
			again, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
			require.NoError(t, err)
			require.Equal(t, binaries, again)
		})
	}
}

func TestManyAtOnceFetchOnce(t *testing.T) {
	h := newFakeHost(t)
	var mu sync.Mutex
	lists := 0
	h.fleet.Progress = func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Step == "lists" {
			lists++
		}
	}
	r := bookworm(t, h)
	var fetching sync.WaitGroup
	for range 8 {
		fetching.Go(func() {
			_, err := h.fleet.Fetch(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
		})
	}
	fetching.Wait()
	require.Equal(t, 1, lists)
}

func TestACancelledFetchEndsItsToolsAndLeavesNoCopy(t *testing.T) {
	for _, step := range []string{"update", "--print-uris", "--download-only"} {
		t.Run(step, func(t *testing.T) {
			h := newFakeHost(t)
			h.write(t, "bin/fake-apt", step+" hang")
			ctx, cancel := context.WithCancel(t.Context())
			h.fleet.Progress = func(p Progress) {
				if step == "update" || p.Step == "download" {
					cancel()
				}
			}
			if step == "--print-uris" {
				cancel()
			}
			_, err := h.fleet.Fetch(ctx, bookworm(t, h))
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorAs(t, err, new(*FetchError))
			require.Empty(t, h.fleet.Copies())
		})
	}
}

func TestAptsErrorsAreExplained(t *testing.T) {
	for _, test := range []struct{ name, script, reason, remedy string }{
		{"full", "--download-only E: Write error - write (28: No space left on device)", "the disk is full", "DROVER_CACHE"},
		{"offline", "update W: Failed to fetch http://x  Temporary failure resolving 'x'", "can't be resolved", "connected"},
		{"refused", "update E: Failed to fetch http://x  Could not connect to x:80", "can't be reached", "connected"},
		{"gone", "update E: Failed to fetch http://x/InRelease  404  Not Found", "doesn't carry it", "archive.debian.org"},
		{"key", "update W: GPG error: http://x InRelease: The following signatures couldn't be verified: NO_PUBKEY 0E98404D386FA1D9", "NO_PUBKEY", "debian-archive-keyring"},
		{"unknown", "update E: The method driver /usr/lib/apt/methods/http could not be found.", "The method driver", ""},
		{"mute", "update ", "it printed nothing", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newFakeHost(t)
			h.write(t, "bin/fake-apt", test.script)
			r, err := h.fleet.Release("5.2")
			require.NoError(t, err)
			_, err = h.fleet.Fetch(t.Context(), r)
			var fetch *FetchError
			require.ErrorAs(t, err, &fetch)
			require.Equal(t, "bullseye", fetch.Release)
			require.Contains(t, fetch.Reason, test.reason)
			require.Contains(t, fetch.Remedy, test.remedy)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestABrokenSourceThatIsNotNeededDoesNotHinder(t *testing.T) {
	h := newFakeHost(t)
	h.write(t, "bin/fake-apt", "update E: Failed to fetch http://third.party/InRelease  404  Not Found")
	_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
}

func TestAReleaseWithoutKeysIsRefused(t *testing.T) {
	h := newFakeHost(t)
	require.NoError(t, os.Remove(filepath.Join(h.root, "usr/share/keyrings/debian-archive-keyring.gpg")))
	_, err := h.fleet.Fetch(t.Context(), Releases()[2])
	require.ErrorContains(t, err, "debian-archive-keyring")
	_, err = h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err, "the system's own sources have theirs")
}

func TestEnsureFetchesOnlyWhatIsMissing(t *testing.T) {
	h := newFakeHost(t)
	named := h.program(t, "builds/qemu-system-x86_64")
	h.env["DROVER_QEMU"] = named
	binaries, err := h.fleet.Ensure(t.Context(), "x86_64", "ppc64")
	require.NoError(t, err)
	require.Equal(t, named, binaries[0].Path)
	require.Equal(t, "fleet", binaries[1].Origin)
	require.Len(t, h.fleet.Copies()[0].Binaries, 1)
}

func TestEnsureSaysWhichPackageToInstallWhereNothingCanBeFetched(t *testing.T) {
	t.Run("no apt", func(t *testing.T) {
		h := newFakeHost(t)
		h.env["PATH"] = h.dir(t, "empty")
		h.write(t, "etc/os-release", "ID=fedora\n")
		_, err := h.fleet.Ensure(t.Context(), "ppc64")
		var notFound *NotFoundError
		require.ErrorAs(t, err, &notFound)
		require.Contains(t, notFound.Remedy, "sudo dnf install qemu-system-ppc-core")
	})
	t.Run("no network", func(t *testing.T) {
		h := newFakeHost(t)
		h.write(t, "bin/fake-apt", "-q E: Temporary failure resolving 'mirror.test'")
		_, err := h.fleet.Ensure(t.Context(), "x86_64")
		var notFound *NotFoundError
		require.ErrorAs(t, err, &notFound)
		require.ErrorAs(t, notFound.Cause, new(*FetchError))
		require.Contains(t, notFound.Remedy, "sudo apt install qemu-system-x86")
	})
}

func TestRemovedIsGone(t *testing.T) {
	h := newFakeHost(t)
	_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
	require.NoError(t, err)
	require.NoError(t, h.fleet.Remove(t.Context(), "7.2"))
	require.Empty(t, h.fleet.Copies())
	require.ErrorIs(t, h.fleet.Remove(t.Context(), "7.2"), fs.ErrNotExist)
	for _, name := range []string{"", ".", "..", "../fleet", "a/b"} {
		require.Error(t, h.fleet.Remove(t.Context(), name), name)
	}
	require.DirExists(t, h.env["DROVER_CACHE"])
}

func TestACacheFolderThatTheLoaderCanNotNameIsRefused(t *testing.T) {
	h := newFakeHost(t)
	for _, name := range []string{"a:b", "a;b", `a"b`, "a\nb"} {
		h.env["DROVER_CACHE"] = "/tmp/" + name
		_, err := h.fleet.Fetch(t.Context(), bookworm(t, h))
		require.ErrorContains(t, err, "DROVER_CACHE")
	}
}

// TestRealFetch fetches from the real mirror: 40 MB.
func TestRealFetch(t *testing.T) {
	if os.Getenv("DROVER_TEST_FETCH") != "1" {
		t.Skip("fetches 40 MB from the distribution's mirror; set DROVER_TEST_FETCH=1 to run it")
	}
	cache := t.TempDir()
	f := Fleet{Env: func(name string) string {
		if name == "DROVER_CACHE" {
			return cache
		}
		return os.Getenv(name)
	}}
	r, err := f.Distribution()
	require.NoError(t, err)
	binaries, err := f.Fetch(t.Context(), r)
	require.NoError(t, err)
	for _, b := range binaries {
		out, err := exec.Command(b.Path, "-version").Output()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(out), "QEMU emulator version"), "%s", out)
	}
}
