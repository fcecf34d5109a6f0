package fleet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAKernelIsFetchedWithItsModules(t *testing.T) {
	h := newFakeHost(t)
	_, err := h.fleet.FindKernel("x86_64")
	var none *NoKernelError
	require.ErrorAs(t, err, &none)
	require.ErrorContains(t, err, "drover fleet fetch kernels --arch x86_64")
	require.ErrorContains(t, err, "--kernel")

	k, passed, err := h.fleet.FetchKernel(t.Context(), KernelsName, "amd64")
	require.NoError(t, err)
	require.Empty(t, passed)
	place := filepath.Join(h.env["DROVER_CACHE"], "drover/fleet/kernels/x86_64")
	require.Equal(t, Kernel{
		Name: KernelsName, Arch: "x86_64", Release: "6.1.0-fake", Suite: "bookworm",
		Path: filepath.Join(place, "boot/vmlinuz-6.1.0-fake"), Modules: filepath.Join(place, "lib/modules"),
	}, k)
	require.FileExists(t, filepath.Join(k.Modules, "6.1.0-fake/kernel/virtio.ko"))
	require.NoFileExists(t, filepath.Join(place, "usr/share/doc/x/y"), "documents are left out")
	left, err := filepath.Glob(filepath.Join(place, "../.*"))
	require.NoError(t, err)
	require.Empty(t, left, "the package is deleted")

	require.Equal(t, []Kernel{k}, h.fleet.Kernels())
	require.Empty(t, h.fleet.Copies(), "a kernel is no QEMU")
	h.write(t, "bin/fake-apt", "update E: apt-get must not be run")
	again, _, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
	require.NoError(t, err)
	require.Equal(t, k, again)
}

func TestAKernelThatIsDamagedIsNotUsedAndFetchedAnew(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"cut off": func(file string) error { return os.Truncate(file, 1) },
		"gone":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t)
			k, _, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
			require.NoError(t, err)
			require.NoError(t, damage(k.Path))
			_, err = h.fleet.FindKernel("x86_64")
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
			require.ErrorContains(t, err, "drover fleet fetch kernels --arch x86_64 makes it anew")
			require.Len(t, h.fleet.Problems(), 1)
			require.Empty(t, h.fleet.Kernels())
			again, _, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
			require.NoError(t, err)
			require.Equal(t, k, again)
			require.Empty(t, h.fleet.Problems())
		})
	}
}

func TestWhereAMirrorNoLongerHasAKernelTheNextReleaseIsTried(t *testing.T) {
	h := newFakeHost(t)
	h.env["DROVER_CACHE"] = h.dir(t, "cache")
	list := filepath.Join(h.env["DROVER_CACHE"], "drover/fleet/kernels/.download-amd64-bookworm/apt.conf")
	h.write(t, "bin/fake-apt", list+" E: Failed to fetch http://mirror.test/x.deb  404  Not Found")
	k, passed, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
	require.NoError(t, err)
	require.Equal(t, "trixie", k.Suite)
	require.Len(t, passed, 1)
	require.ErrorContains(t, passed[0], "bookworm")
	require.ErrorContains(t, passed[0], "404")
}

func TestAPackageWithoutAKernelIsAnError(t *testing.T) {
	h := newFakeHost(t)
	_, passed, err := h.fleet.FetchKernel(t.Context(), KernelsName, "s390x")
	require.ErrorContains(t, err, "boot/vmlinuz")
	require.Len(t, passed, 2)
	require.Empty(t, h.fleet.Kernels())
}

func TestTheFleetSaysForWhichTargetsItKnowsAKernel(t *testing.T) {
	h := newFakeHost(t)
	_, err := h.fleet.FindKernel("sparc64")
	require.ErrorContains(t, err, "x86_64, aarch64")
	_, _, err = h.fleet.FetchKernel(t.Context(), KernelsName, "pdp11")
	var unknown *UnknownArchError
	require.ErrorAs(t, err, &unknown)
}

func TestKernelsAreRemovedTogether(t *testing.T) {
	h := newFakeHost(t)
	_, _, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
	require.NoError(t, err)
	require.NoError(t, h.fleet.Remove(t.Context(), KernelsName))
	require.Empty(t, h.fleet.Kernels())
}

func TestATargetCanHaveAKernelWithAllDriversBesideItsOwn(t *testing.T) {
	h := newFakeHost(t)
	own, _, err := h.fleet.FetchKernel(t.Context(), KernelsName, "x86_64")
	require.NoError(t, err)
	missing := func() (sentences []string) {
		for _, err := range h.fleet.KernelsFor("x86_64") {
			if err != nil {
				sentences = append(sentences, err.Error())
			}
		}
		return sentences
	}
	require.Equal(t, []string{"no Linux kernel with all drivers for x86_64 is here: fetch it with: drover fleet fetch full-kernels --arch x86_64; or name one's own with --kernel and --modules"}, missing())

	full, passed, err := h.fleet.FetchKernel(t.Context(), FullKernelsName, "x86_64")
	require.NoError(t, err)
	require.Empty(t, passed)
	require.Equal(t, "6.1.0-full", full.Release)
	require.Equal(t, FullKernelsName, full.Name)
	require.Empty(t, missing())
	require.Equal(t, []Kernel{own, full}, h.fleet.Kernels())
	found, err := h.fleet.FindKernel("x86_64")
	require.NoError(t, err)
	require.Equal(t, own, found, "the small one comes first")

	require.NoError(t, os.Remove(full.Path))
	require.Len(t, h.fleet.Problems(), 1)
	require.ErrorContains(t, h.fleet.Problems()[0], "drover fleet fetch full-kernels --arch x86_64 makes it anew")
	require.Equal(t, []Kernel{own}, h.fleet.Kernels())

	_, _, err = h.fleet.FetchKernel(t.Context(), FullKernelsName, "x86_64")
	require.NoError(t, err)
	require.NoError(t, h.fleet.Remove(t.Context(), KernelsName))
	require.Equal(t, []Kernel{full}, h.fleet.Kernels(), "each goes by its own name")
	found, err = h.fleet.FindKernel("x86_64")
	require.NoError(t, err)
	require.Equal(t, full, found, "and does where the other isn't")
}

func TestATargetWhoseKernelHasAllDriversHasNoOther(t *testing.T) {
	h := newFakeHost(t)
	_, _, err := h.fleet.FetchKernel(t.Context(), FullKernelsName, "riscv64")
	require.ErrorContains(t, err, "drover fleet fetch kernels --arch riscv64")
}
