package qemutest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/drover-vm/drover/fleet"
)

// Binaries returns the QEMUs for a target to run a test on: those that DROVER_FLEET
// names, separated as in PATH, or else the one that [Binary] finds, which skips.
func Binaries(t testing.TB, arch string) []string {
	t.Helper()
	if paths := named(arch); len(paths) > 0 {
		return paths
	}
	return []string{Binary(t, arch)}
}

// Fleet returns every QEMU for a target that tests of pairs run on: those that
// DROVER_FLEET names, else the private copies, else the one that [Binary] finds.
func Fleet(t testing.TB, arch string) []string {
	t.Helper()
	paths := named(arch)
	if len(paths) > 0 {
		return paths
	}
	for _, c := range (fleet.Fleet{}).Copies() {
		for _, b := range c.Binaries {
			if b.Arch == arch {
				paths = append(paths, b.Path)
			}
		}
	}
	if len(paths) > 0 {
		return paths
	}
	return []string{Binary(t, arch)}
}

// named are those in DROVER_FLEET whose name is the target's, or says none.
func named(arch string) (paths []string) {
	for _, path := range filepath.SplitList(os.Getenv("DROVER_FLEET")) {
		if of, ok := fleet.ArchOf(path); !ok || of == arch {
			paths = append(paths, path)
		}
	}
	return paths
}
