package launchertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drover-vm/drover/launcher"
)

const prefix = "qemu-system-"

// archOf is the target that a configuration asks for.
func archOf(c launcher.Config) string {
	if c.Arch != "" {
		return c.Arch
	}
	if arch, ok := strings.CutPrefix(filepath.Base(c.Binary), prefix); ok && arch != "" {
		return arch
	}
	return "x86_64"
}

// spellings are QEMU's names for targets that Go and Debian call otherwise.
func spellings() map[string]string {
	return map[string]string{
		"amd64": "x86_64", "386": "i386", "arm64": "aarch64",
		"ppc64le": "ppc64", "ppc64el": "ppc64", "loong64": "loongarch64",
	}
}

// binary returns the QEMU to start. Where there is none it skips, or fails.
func binary(t testing.TB, c launcher.Config) string {
	t.Helper()
	path, err := find(c)
	switch missing, ok := errors.AsType[*missingError](err); {
	case err == nil:
	case !ok:
		t.Fatalf("launchertest: %v", err)
	default:
		skip(t, missing)
	}
	return path
}

// skip ends a test for which something is missing on this machine.
func skip(t testing.TB, missing error) {
	t.Helper()
	if os.Getenv("DROVER_CI") == "1" {
		t.Fatalf("launchertest: %v (DROVER_CI=1 says that it is here)", missing)
	}
	t.Skipf("launchertest: %v", missing)
}

// find returns the QEMU for a configuration. Without Config.Binary it is the one that
// fleet.Find would return, private copies aside.
func find(c launcher.Config) (string, error) {
	if c.Binary != "" {
		if strings.ContainsRune(c.Binary, filepath.Separator) {
			return c.Binary, nil
		}
		if path, err := exec.LookPath(c.Binary); err == nil {
			return path, nil
		}
		return "", &missingError{c.Binary, archOf(c)}
	}
	arch := archOf(c)
	if name, ok := spellings()[arch]; ok {
		return "", fmt.Errorf("QEMU's name for the target %s is %s: set Config.Arch to that", arch, name)
	}
	for _, variable := range []string{"DROVER_QEMU", "QTEST_QEMU_BINARY"} {
		if path, err := named(variable, arch); path != "" || err != nil {
			return path, err
		}
	}
	if path, err := exec.LookPath(prefix + arch); err == nil {
		return path, nil
	}
	return "", &missingError{prefix + arch, arch}
}

// named returns the QEMU for a target that a variable names; none where it is unset, or
// names another target's and there is none for this one beside it.
func named(variable, arch string) (string, error) {
	name := os.Getenv(variable)
	if name == "" {
		return "", nil
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("%s names %q, which can't be run: %w", variable, name, err)
	}
	other, ok := strings.CutPrefix(filepath.Base(path), prefix)
	if !ok || other == arch {
		return path, nil
	}
	sibling := filepath.Join(filepath.Dir(path), prefix+arch)
	if _, err := exec.LookPath(sibling); err == nil {
		return sibling, nil
	}
	return "", nil
}

// A missingError says that this machine has no QEMU for a target, and how to get one.
type missingError struct{ name, arch string }

func (e *missingError) Error() string {
	return fmt.Sprintf("no %s here: name one in DROVER_QEMU, install your distribution's, or fetch a private copy with: export DROVER_QEMU=$(go run github.com/drover-vm/drover/cmd/drover@latest fleet ensure %s)", e.name, e.arch)
}
