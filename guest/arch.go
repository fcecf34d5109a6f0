package guest

import (
	"fmt"
	"slices"
	"strings"
)

// An arch is a target that a Linux guest is for.
type arch struct {
	qemu    string // QEMU's name
	goarch  string
	console string   // the kernel's name for the console
	args    []string // that QEMU needs beside the machine's own
	append  string   // to the kernel's command line
	memory  int      // MiB
	without []string // modules that it has no use for, where others have
	lacks   []string // workers that there are for others only
}

func arches() []arch {
	noAssembly := []string{"cpu"}
	return []arch{
		// Under TCG the kernel's own look at its timers takes longer than all else.
		{"x86_64", "amd64", "ttyS0", nil, "no_timer_check", 256, []string{"tpm_tis", "tpm_ibmvtpm"}, nil},
		{"aarch64", "arm64", "ttyAMA0", nil, "", 256, []string{"tpm_crb", "tpm_ibmvtpm"}, nil},
		{"riscv64", "riscv64", "ttyS0", nil, "", 256, nil, noAssembly},
		{"s390x", "s390x", "ttysclp0", nil, "", 256, []string{"virtio_pci"}, noAssembly}, // its virtio devices are on the channel subsystem
		{"ppc64", "ppc64le", "hvc0", nil, "", 512, []string{"tpm_crb", "tpm_tis"}, noAssembly},
	}
}

func archOf(name string) (arch, error) {
	var known []string
	for _, a := range arches() {
		if a.qemu == name {
			return a, nil
		}
		known = append(known, a.qemu)
	}
	return arch{}, fmt.Errorf("guest: there is no Linux guest for %q: there is one for %s", name, strings.Join(known, ", "))
}

// onPCI says whether a target's virtio devices are PCI devices.
func onPCI(target string) bool {
	a, err := archOf(target)
	return err == nil && !slices.Contains(a.without, "virtio_pci")
}

// Arches are the QEMU targets that there is a Linux guest for.
func Arches() (names []string) {
	for _, a := range arches() {
		names = append(names, a.qemu)
	}
	return names
}
