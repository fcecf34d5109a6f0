// Package qemutest finds the QEMUs that tests run on.
package qemutest

import (
	"os"
	"testing"

	"github.com/drover-vm/drover/fleet"
)

// Binary returns the QEMU for a target: the one that a person would get from
// "drover run". Where there is none the test is skipped with the way to get
// one, or fails where DROVER_CI says that our own set-up has installed it.
func Binary(t testing.TB, arch string) string {
	t.Helper()
	return Side(t, arch, fleet.Either)
}

// Side is Binary for one end of a migration.
func Side(t testing.TB, arch string, side fleet.Side) string {
	t.Helper()
	binary, err := fleet.Find(arch, side, nil)
	if err == nil {
		return binary.Path
	}
	if os.Getenv("DROVER_CI") == "1" {
		t.Fatalf("%v (DROVER_CI=1 says that it is here)", err)
	}
	t.Skip(err)
	return ""
}
