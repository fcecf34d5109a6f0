package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/owned"
)

// A Kernel is a Linux kernel for guests, from a distribution's package, with its modules.
type Kernel struct {
	Arch    string `json:"arch"`    // the QEMU target
	Release string `json:"release"` // for instance "6.1.0-50-cloud-amd64"
	Suite   string `json:"suite"`   // the release of Debian that it comes from
	Path    string `json:"path"`    // as QEMU's -kernel takes it
	Modules string `json:"modules"` // the folder somewhere below which they are
}

// KernelsName is what the kernels' folder is called, and "fleet fetch" and "fleet remove" are
// given for them.
const KernelsName = "kernels"

// kernelsOf says which packages have a kernel for a target, the first that is tried first.
type kernelsOf struct {
	arch     string
	debian   string          // Debian's name for the architecture
	packages []kernelPackage // a suite and a package in it
}

type kernelPackage struct{ suite, name string }

func kernelTargets() []kernelsOf {
	return []kernelsOf{
		{"x86_64", "amd64", []kernelPackage{{"bookworm", "linux-image-cloud-amd64"}, {"trixie", "linux-image-cloud-amd64"}, {"bullseye", "linux-image-cloud-amd64"}}},
		{"aarch64", "arm64", []kernelPackage{{"trixie", "linux-image-cloud-arm64"}, {"bookworm", "linux-image-cloud-arm64"}}},
		{"riscv64", "riscv64", []kernelPackage{{"trixie", "linux-image-riscv64"}}},
		{"s390x", "s390x", []kernelPackage{{"bookworm", "linux-image-s390x"}, {"trixie", "linux-image-s390x"}}},
		{"ppc64", "ppc64el", []kernelPackage{{"bookworm", "linux-image-powerpc64le"}, {"trixie", "linux-image-powerpc64le"}}},
	}
}

func kernelTarget(arch string) (kernelsOf, error) {
	arch, err := ParseArch(arch)
	if err != nil {
		return kernelsOf{}, err
	}
	var names []string
	for _, k := range kernelTargets() {
		if k.arch == arch {
			return k, nil
		}
		names = append(names, k.arch)
	}
	return kernelsOf{}, fmt.Errorf("no Linux kernel for %s is known to the fleet: there is one for %s", arch, strings.Join(names, ", "))
}

// KernelArches are the targets that there is a kernel for.
func KernelArches() (names []string) {
	for _, k := range kernelTargets() {
		names = append(names, k.arch)
	}
	return names
}

// A NoKernelError says that there is no kernel here for a guest.
type NoKernelError struct {
	Arch  string
	Cause error // what is wrong with the one that is there; nil for none
}

func (e *NoKernelError) Error() string {
	text := fmt.Sprintf("no Linux kernel for %s is here: fetch it with: drover fleet fetch %s --arch %s; or name one's own with --kernel and --modules", e.Arch, KernelsName, e.Arch)
	if e.Cause != nil {
		text += " (" + e.Cause.Error() + ")"
	}
	return text
}

func (e *NoKernelError) Unwrap() error { return e.Cause }

// FindKernel returns the kernel that was fetched for a target. The error is a
// [*NoKernelError], or an [*UnknownArchError].
func (f Fleet) FindKernel(arch string) (Kernel, error) {
	target, err := kernelTarget(arch)
	if err != nil {
		return Kernel{}, err
	}
	folder, err := f.Folder()
	if err != nil {
		return Kernel{}, &NoKernelError{target.arch, err}
	}
	folder = filepath.Join(folder, KernelsName)
	for _, s := range readStamps(folder) {
		if s.Package != target.arch {
			continue
		}
		if err := cmp.Or(owned.Check(folder), s.check(folder)); err != nil {
			return Kernel{}, &NoKernelError{target.arch, &DamagedError{KernelsName, filepath.Join(folder, s.Package), err.Error()}}
		}
		return kernelIn(filepath.Join(folder, s.Package), s)
	}
	return Kernel{}, &NoKernelError{Arch: target.arch}
}

// Kernels returns those that were fetched and are whole, in the order of their targets.
func (f Fleet) Kernels() (all []Kernel) {
	for _, arch := range KernelArches() {
		if k, err := f.FindKernel(arch); err == nil {
			all = append(all, k)
		}
	}
	return all
}

// kernelIn finds the kernel in a folder to which a package was unpacked.
func kernelIn(place string, s stamp) (Kernel, error) {
	k := Kernel{Arch: s.Package, Suite: s.Suite}
	images := slices.Concat(glob(place, "boot/vmlinuz-*"), glob(place, "boot/vmlinux-*"))
	if len(images) == 0 {
		return k, &NoKernelError{s.Package, errors.New("the package has no boot/vmlinuz-* and no boot/vmlinux-*")}
	}
	k.Path = images[0]
	_, k.Release, _ = strings.Cut(filepath.Base(k.Path), "-")
	for _, folder := range []string{"lib/modules", "usr/lib/modules"} {
		if info, err := os.Stat(filepath.Join(place, folder)); err == nil && info.IsDir() {
			k.Modules = filepath.Join(place, folder)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
	}
	return k, nil
}

func glob(place, pattern string) []string {
	found, _ := filepath.Glob(filepath.Join(place, pattern))
	return found
}
