package qemutest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/drover-vm/drover/fleet"
)

// Fleet returns every QEMU for a target that tests of pairs run on: those that
// DROVER_FLEET names, separated as in PATH, else the private copies, else the one
// that [Binary] finds.
func Fleet(t testing.TB, arch string) []string {
	t.Helper()
	var paths []string
	for _, path := range filepath.SplitList(os.Getenv("DROVER_FLEET")) {
		if named, ok := fleet.ArchOf(path); !ok || named == arch {
			paths = append(paths, path)
		}
	}
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
