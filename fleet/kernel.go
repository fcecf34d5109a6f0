package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/owned"
)

// A Kernel is a Linux kernel for guests, from a distribution's package, with its modules.
type Kernel struct {
	Name    string `json:"name"`    // of what it belongs to: KernelsName or FullKernelsName
	Arch    string `json:"arch"`    // the QEMU target
	Release string `json:"release"` // for instance "6.1.0-50-cloud-amd64"
	Suite   string `json:"suite"`   // the release of Debian that it comes from
	Path    string `json:"path"`    // as QEMU's -kernel takes it
	Modules string `json:"modules"` // the folder somewhere below which they are
}

// What the folders of kernels are called, and "fleet fetch" and "fleet remove" are given for them.
// The kernels of KernelsName are the ones to be tried first: they are small, and boot soon. Some of
// them are made for clouds, and lack drivers: FullKernelsName has another for their targets.
const (
	KernelsName     = "kernels"
	FullKernelsName = "full-kernels"
)

// kernelsOf says which packages have a kernel for a target, the first that is tried first.
type kernelsOf struct {
	name     string // KernelsName or FullKernelsName
	arch     string
	debian   string          // Debian's name for the architecture
	packages []kernelPackage // a suite and a package in it
}

type kernelPackage struct{ suite, name string }

func kernelTargets() []kernelsOf {
	return []kernelsOf{
		{KernelsName, "x86_64", "amd64", []kernelPackage{{"bookworm", "linux-image-cloud-amd64"}, {"trixie", "linux-image-cloud-amd64"}, {"bullseye", "linux-image-cloud-amd64"}}},
		{FullKernelsName, "x86_64", "amd64", []kernelPackage{{"bookworm", "linux-image-amd64"}, {"trixie", "linux-image-amd64"}, {"bullseye", "linux-image-amd64"}}},
		{KernelsName, "aarch64", "arm64", []kernelPackage{{"trixie", "linux-image-cloud-arm64"}, {"bookworm", "linux-image-cloud-arm64"}}},
		{FullKernelsName, "aarch64", "arm64", []kernelPackage{{"trixie", "linux-image-arm64"}, {"bookworm", "linux-image-arm64"}}},
		{KernelsName, "riscv64", "riscv64", []kernelPackage{{"trixie", "linux-image-riscv64"}}},
		{KernelsName, "s390x", "s390x", []kernelPackage{{"bookworm", "linux-image-s390x"}, {"trixie", "linux-image-s390x"}}},
		{KernelsName, "ppc64", "ppc64el", []kernelPackage{{"bookworm", "linux-image-powerpc64le"}, {"trixie", "linux-image-powerpc64le"}}},
	}
}

// kernelsFor are the rows of a target, the first that is to be tried first.
func kernelsFor(arch string) (rows []kernelsOf, err error) {
	if arch, err = ParseArch(arch); err != nil {
		return nil, err
	}
	for _, k := range kernelTargets() {
		if k.arch == arch {
			rows = append(rows, k)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no Linux kernel for %s is known to the fleet: there is one for %s", arch, strings.Join(KernelArches(), ", "))
	}
	return rows, nil
}

// kernelTarget is a target's row of that name.
func kernelTarget(name, arch string) (kernelsOf, error) {
	rows, err := kernelsFor(arch)
	if err != nil {
		return kernelsOf{}, err
	}
	i := slices.IndexFunc(rows, func(k kernelsOf) bool { return k.name == name })
	if i < 0 {
		return kernelsOf{}, fmt.Errorf("there are no %s for %s: its kernel has all drivers; fetch it with: %s", name, rows[0].arch, rows[0].command())
	}
	return rows[i], nil
}

// command is the one that fetches it.
func (k kernelsOf) command() string {
	return fmt.Sprintf("drover fleet fetch %s --arch %s", k.name, k.arch)
}

// KernelArches are the targets that there is a kernel for.
func KernelArches() (names []string) {
	for _, k := range kernelTargets() {
		if k.name == KernelsName {
			names = append(names, k.arch)
		}
	}
	return names
}

// A NoKernelError says that there is no kernel here for a guest.
type NoKernelError struct {
	Name  string // KernelsName or FullKernelsName
	Arch  string
	Cause error // what is wrong with the one that is there; nil for none
}

func (e *NoKernelError) Error() string {
	drivers := ""
	if e.Name == FullKernelsName {
		drivers = " with all drivers"
	}
	text := fmt.Sprintf("no Linux kernel%s for %s is here: fetch it with: %s; or name one's own with --kernel and --modules", drivers, e.Arch, kernelsOf{name: e.Name, arch: e.Arch}.command())
	if e.Cause != nil {
		text += " (" + e.Cause.Error() + ")"
	}
	return text
}

func (e *NoKernelError) Unwrap() error { return e.Cause }

// FindKernel returns the kernel that was fetched for a target, the first of [Fleet.KernelsFor]
// where there are two. The error is a [*NoKernelError] about that of [KernelsName], or an
// [*UnknownArchError].
func (f Fleet) FindKernel(arch string) (k Kernel, err error) {
	for found, problem := range f.KernelsFor(arch) {
		if problem == nil {
			return found, nil
		}
		err = cmp.Or(err, problem)
	}
	return Kernel{}, err
}

// KernelsFor are the kernels that the fleet knows for a target, in the order in which a guest is
// to be tried with them; each is looked at when its turn comes. In the place of one that is not
// here there is an error, a [*NoKernelError]. Of a target that the fleet knows none for there is
// one error, as [Fleet.FindKernel] returns it.
func (f Fleet) KernelsFor(arch string) iter.Seq2[Kernel, error] {
	return func(yield func(Kernel, error) bool) {
		rows, err := kernelsFor(arch)
		if err != nil {
			yield(Kernel{}, err)
		}
		for _, row := range rows {
			if !yield(f.kernel(row)) {
				return
			}
		}
	}
}

// kernel is the one that was fetched of a row.
func (f Fleet) kernel(row kernelsOf) (Kernel, error) {
	folder, err := f.Folder()
	if err != nil {
		return Kernel{}, &NoKernelError{row.name, row.arch, err}
	}
	folder = filepath.Join(folder, row.name)
	s, ok := readStamp(folder, row.arch)
	if !ok {
		return Kernel{}, &NoKernelError{Name: row.name, Arch: row.arch}
	}
	place := filepath.Join(folder, s.Package)
	if err := cmp.Or(owned.Check(folder), s.check(folder)); err != nil {
		return Kernel{}, &NoKernelError{row.name, row.arch, &DamagedError{row.name, row.arch, place, err.Error()}}
	}
	return row.kernelIn(place, s.Suite)
}

// Kernels returns those that were fetched and are whole, in the order of their targets.
func (f Fleet) Kernels() (all []Kernel) {
	for _, row := range kernelTargets() {
		if k, err := f.kernel(row); err == nil {
			all = append(all, k)
		}
	}
	return all
}

// kernelIn finds the kernel in a folder to which a package was unpacked.
func (row kernelsOf) kernelIn(place, suite string) (Kernel, error) {
	k := Kernel{Name: row.name, Arch: row.arch, Suite: suite}
	images := slices.Concat(glob(place, "boot/vmlinuz-*"), glob(place, "boot/vmlinux-*"))
	if len(images) == 0 {
		return k, &NoKernelError{row.name, row.arch, errors.New("the package has no boot/vmlinuz-* and no boot/vmlinux-*")}
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
