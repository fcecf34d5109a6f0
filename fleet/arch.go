package fleet

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A target is one architecture that QEMU emulates, and where distributions
// keep it.
type target struct {
	arch   string
	debian []string // packages that may have it, the newest arrangement first
	fedora string   // the part after qemu-system-
	suse   string   // the part after qemu-
}

// targets returns the architectures that have a package, x86_64 first.
func targets() []target {
	return []target{
		{"x86_64", []string{"qemu-system-x86"}, "x86-core", "x86"},
		{"i386", []string{"qemu-system-x86"}, "x86-core", "x86"},
		{"ppc64", []string{"qemu-system-ppc"}, "ppc-core", "ppc"},
		{"ppc", []string{"qemu-system-ppc"}, "ppc-core", "ppc"},
		{"aarch64", []string{"qemu-system-arm"}, "aarch64-core", "arm"},
		{"arm", []string{"qemu-system-arm"}, "arm-core", "arm"},
		{"s390x", []string{"qemu-system-s390x", "qemu-system-misc"}, "s390x-core", "s390x"},
		{"riscv64", []string{"qemu-system-riscv", "qemu-system-misc"}, "riscv-core", "extra"},
		{"riscv32", []string{"qemu-system-riscv", "qemu-system-misc"}, "riscv-core", "extra"},
		{"loongarch64", []string{"qemu-system-misc"}, "loongarch64-core", "extra"},
		{"mips64el", []string{"qemu-system-mips"}, "mips-core", "extra"},
		{"mips64", []string{"qemu-system-mips"}, "mips-core", "extra"},
		{"mipsel", []string{"qemu-system-mips"}, "mips-core", "extra"},
		{"mips", []string{"qemu-system-mips"}, "mips-core", "extra"},
		{"sparc64", []string{"qemu-system-sparc"}, "sparc-core", "extra"},
		{"sparc", []string{"qemu-system-sparc"}, "sparc-core", "extra"},
		{"m68k", []string{"qemu-system-misc"}, "m68k-core", "extra"},
		{"alpha", []string{"qemu-system-misc"}, "alpha-core", "extra"},
		{"hppa", []string{"qemu-system-misc"}, "hppa-core", "extra"},
		{"sh4", []string{"qemu-system-misc"}, "sh4-core", "extra"},
		{"or1k", []string{"qemu-system-misc"}, "or1k-core", "extra"},
		{"xtensa", []string{"qemu-system-misc"}, "xtensa-core", "extra"},
		{"microblaze", []string{"qemu-system-misc"}, "microblaze-core", "extra"},
		{"avr", []string{"qemu-system-misc"}, "avr-core", "extra"},
		{"rx", []string{"qemu-system-misc"}, "rx-core", "extra"},
		{"tricore", []string{"qemu-system-misc"}, "tricore-core", "extra"},
	}
}

// targetOf returns an architecture's row.
func targetOf(arch string) (target, bool) {
	all := targets()
	i := slices.IndexFunc(all, func(t target) bool { return t.arch == arch })
	if i < 0 {
		return target{}, false
	}
	return all[i], true
}

// An UnknownArchError says that a name is none of QEMU's for an architecture.
type UnknownArchError struct{ Arch string }

func (e *UnknownArchError) Error() string {
	return fmt.Sprintf("unknown architecture %q; QEMU's names are for instance x86_64, i386, ppc64, aarch64, s390x, riscv64", e.Arch)
}

// ParseArch returns QEMU's name for an architecture, given that or another
// system's name for it, such as amd64 or arm64. An error is an
// *UnknownArchError.
func ParseArch(name string) (string, error) {
	arch := strings.ToLower(strings.TrimSpace(name))
	switch arch {
	case "amd64", "x86-64", "x64":
		arch = "x86_64"
	case "x86", "i486", "i586", "i686":
		arch = "i386"
	case "arm64":
		arch = "aarch64"
	case "ppc64le", "ppc64el", "powerpc64", "powerpc64le":
		arch = "ppc64"
	case "armhf", "armv7l":
		arch = "arm"
	}
	if _, ok := targetOf(arch); !ok {
		return "", &UnknownArchError{Arch: name}
	}
	return arch, nil
}

// binaryName returns what QEMU calls the binary for an architecture.
func binaryName(arch string) string { return "qemu-system-" + arch }

// archOf returns the architecture in a binary's name, or "" for a name that
// isn't QEMU's own, which may be a QEMU for any architecture.
func archOf(base string) string {
	arch, ok := strings.CutPrefix(base, "qemu-system-")
	if !ok {
		return ""
	}
	if _, known := targetOf(arch); !known {
		return ""
	}
	return arch
}

// ArchOf returns the architecture that the name of a binary says, given the
// binary's path; false for a name that isn't QEMU's own.
func ArchOf(path string) (arch string, ok bool) {
	arch = archOf(filepath.Base(path))
	return arch, arch != ""
}
