package migration

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

// hostFeatures are those that a scenario file can ask for by name.
func hostFeatures() []HostFeature {
	return []HostFeature{
		{"userfaultfd", func() error { _, err := host.Userfaultfd(); return err }}, // postcopy needs it
		{"userfaultfd-wp", writeProtect},
		{"kvm-dirty-ring", kvmDirtyRing},
		{"io-accounting", procfs.CountsIO},
		{"dnotify", procfs.Dnotify},
		{"o-direct", directIO},
		{"loopback", host.Loopback},
		{"vsock", func() error { _, err := host.VSOCKPort(); return err }},
		{"mptcp", host.MPTCP},
		{"locked-memory", host.LockedMemory},
		{"swtpm", tpmEmulator},
	}
}

func hostFeatureNames() (names []string) {
	for _, f := range hostFeatures() {
		names = append(names, f.Name)
	}
	return names
}

// writeProtect is about a userfaultfd that catches writes, which a background snapshot takes.
func writeProtect() error {
	features, err := host.Userfaultfd()
	if err == nil && !features.WriteProtect {
		err = errors.New("this host's userfaultfd catches no writes, which came with Linux 5.7")
	}
	return err
}

// kvmDirtyRing is about a /dev/kvm with dirty rings that lose nothing of what a guest
// program writes, which forces an exit often enough: with one that does, QEMU misses
// pages, and waits for entries where there will be none.
func kvmDirtyRing() error {
	switch kvm := host.KVMState(); {
	case !kvm.Usable:
		return fmt.Errorf("no KVM here: %w", kvm.Err)
	case !kvm.DirtyRing:
		return errors.New("this host's KVM has no dirty ring, which came with Linux 5.11")
	}
	return host.DirtyRing()
}

// tpmEmulator is about the program behind a guest's TPM.
func tpmEmulator() error {
	if fact := host.TPMEmulator(os.Getenv).Fact(); !fact.Have {
		return fmt.Errorf("this host has no %s in PATH, which is behind a guest's TPM: %s", fact.Name, fact.Remedy)
	}
	return nil
}

// directIO asks the file system that the files of a run are on.
func directIO() error {
	folder, err := launcher.NewPrivateFolder()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Remove() }()
	f, err := os.OpenFile(folder.Path()+"/direct", os.O_CREATE|os.O_RDWR|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("the file system of %s has no O_DIRECT: set TMPDIR to a folder on one that has", os.TempDir())
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func declareHostFeature(a *Args, s *Scenario) {
	name := a.OneOf("a host's feature", hostFeatureNames()...)
	for _, f := range hostFeatures() {
		if f.Name == name {
			s.Needs = append(s.Needs, f)
		}
	}
}
