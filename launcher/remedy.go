package launcher

import (
	"fmt"
	"regexp"
	"strings"
)

// remedies gives the way out of what QEMU prints when it can't start, or can't go
// on. The first that is found counts; the texts are those of QEMU 3.1 to 11.1,
// of which a part differs.
func remedies() []struct{ word, way string } {
	return []struct{ word, way string }{
		{"permission denied", permissionDenied},
		{"failed to initialize kvm", tryTCG},
		{"could not access kvm kernel module", tryTCG},
		{"invalid accelerator", "ask it with -accel help which it has"},
		{"unsupported machine type", "-machine help lists those it has"},
		{"is not a valid device model name", "ask it with -device help which it has, or install the package with its device modules"},
		{"cannot set up guest memory", "give the guest less memory, or the host more"},
		{"cannot allocate memory", "give the guest less memory, or the host more"},
		{"failed to allocate memory", "give the guest less memory, or the host more"},
		{"could not open rom", "install the firmware that belongs to this QEMU, or name its folder with -L"},
		{"could not load pc bios", "install the firmware that belongs to this QEMU (seabios), or name its folder with -L"},
		{"could not find rom image", "install the firmware that belongs to this QEMU, or name its folder with -L"},
		{"could not load firmware", "install the firmware that belongs to this QEMU, or name its folder with -L"},
		{"failed to find romfile", "install the option ROMs that belong to this QEMU (ipxe-qemu), or give the device romfile="},
		{"address already in use", "let the system choose the port (0), or end the process that has it"},
		{"no space left on device", "make room on that disk, or put the file elsewhere"},
		{"too many open files", "raise the limit of open files (ulimit -n)"},
		{"failed to get \"write\" lock", "end the other process that uses the image, or give each VM an overlay of its own"},
		{"seccomp syscall filter", "this host forbids QEMU's sandbox: set Config.Sandbox to \"off\""},
		{"error while loading shared libraries", "install the libraries that it names, or use a whole package of QEMU"},
	}
}

const (
	tryTCG           = "try the accelerator tcg"
	permissionDenied = "give this user the right to that file"
	kvmDenied        = "add this user to the group kvm (and log in again), or try the accelerator tcg"
)

// severalInOne is what QEMU prints of an argument that has an option and more, as a line
// for a shell has: "-m 1G: invalid option".
var severalInOne = regexp.MustCompile(`: -\w[\w-]* [^:]*: invalid option`)

func (e *ExitError) remedy() string {
	if severalInOne.MatchString(e.Stderr) {
		return "no shell splits Config.Args: each option and each value is an element of its own"
	}
	message := strings.ToLower(e.Stderr)
	for _, r := range remedies() {
		switch {
		case !strings.Contains(message, r.word):
		case r.way == permissionDenied && strings.Contains(message, "kvm"):
			return kvmDenied
		case e.machine != "" && strings.Contains(r.word, "machine"):
			return fmt.Sprintf("the machine asked for is %q: %s", e.machine, r.way)
		default:
			return r.way
		}
	}
	return ""
}
