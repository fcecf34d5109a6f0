package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
)

func TestLinuxSeesADevice(t *testing.T) {
	program := filepath.Join(t.TempDir(), "list-pci")
	build := exec.Command("go", "build", "-o", program, "./testdata/list-pci")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}

	vm := launchertest.Linux(t, launcher.Config{Args: []string{"-device", "edu"}})
	output, err := vm.Run(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(output), "0x1234:0x11e8") {
		t.Errorf("Linux found no edu device, but these:\n%s", output)
	}
}
