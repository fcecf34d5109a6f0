package fleet

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// osRelease reads os-release(5); a system without it has no values.
func (f Fleet) osRelease() map[string]string {
	values := make(map[string]string)
	file, err := os.Open(f.path("etc", "os-release"))
	if err != nil {
		if file, err = os.Open(f.path("usr", "lib", "os-release")); err != nil {
			return values
		}
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	return values
}

// remedy returns the clause that tells a person how to get a QEMU here.
func (f Fleet) remedy(arch string, fetchable bool) string {
	install := f.InstallHint(arch)
	if fetchable {
		return fmt.Sprintf("fetch a private copy with: drover fleet ensure %s, or install it with: %s", arch, install)
	}
	return fmt.Sprintf("install it with: %s, or name one with DROVER_QEMU", install)
}

// InstallHint returns the command that installs the QEMU for an architecture
// on this system, as its package manager wants it.
func (f Fleet) InstallHint(arch string) string {
	t, ok := targetOf(arch)
	if !ok {
		t, _ = targetOf("x86_64")
	}
	if runtime.GOOS == "darwin" {
		return "brew install qemu"
	}
	release := f.osRelease()
	for id := range strings.FieldsSeq(release["ID"] + " " + release["ID_LIKE"]) {
		switch id {
		case "debian", "ubuntu":
			// The newest arrangement's name; a provider of it answers on old ones.
			return "sudo apt install " + t.debian[0]
		case "fedora", "rhel", "centos":
			return "sudo dnf install qemu-system-" + t.fedora
		case "arch":
			if t.fedora == "x86-core" {
				return "sudo pacman -S qemu-system-x86"
			}
			return "sudo pacman -S qemu-system-" + strings.TrimSuffix(t.fedora, "-core")
		case "alpine":
			return "sudo apk add qemu-system-" + arch
		case "suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles":
			return "sudo zypper install qemu-" + t.suse
		case "nixos":
			return "nix-shell -p qemu"
		case "gentoo":
			return fmt.Sprintf("sudo QEMU_SOFTMMU_TARGETS=%s emerge app-emulation/qemu", arch)
		case "void":
			return "sudo xbps-install qemu-system-" + arch
		}
	}
	return "this system's package manager (Debian calls the package " + t.debian[0] + ")"
}
