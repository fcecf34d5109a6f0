package launchertest_test

import (
	"errors"
	"testing"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
)

// t is the test's own.
var t *testing.T

// A test of its own looks at guest memory from outside, where no guest helps.
func ExampleStart() {
	vm := launchertest.Start(t, launcher.Config{Machine: "q35"})
	first, err := vm.QTest().Readb(t.Context(), 0xffff0) // where a PC begins: a far jump
	if err != nil {
		t.Fatal(err)
	}
	if first != 0xea {
		t.Errorf("the firmware begins with %#x, expected 0xea", first)
	}
}

// A program that fails in the guest says how.
func ExampleLinuxVM_Run() {
	vm := launchertest.Linux(t, launcher.Config{})
	output, err := vm.Run(t.Context(), "testdata/a-static-program", "-v")
	if failed, ok := errors.AsType[*launchertest.ProgramError](err); ok {
		t.Fatalf("exit status %d: %s", failed.Status, output)
	} else if err != nil {
		t.Fatal(err)
	}
}
