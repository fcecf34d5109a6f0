package host

import (
	"errors"
	"io/fs"
	"strings"
)

const kvmDevice = "/dev/kvm"

// KVM is what the kernel's accelerator offers to this process.
type KVM struct {
	Usable    bool  `json:"usable"`     // a VM can be made
	Nested    bool  `json:"nested"`     // this host is a VM itself: KVM may be far slower than TCG
	DirtyRing bool  `json:"dirty_ring"` // -accel kvm,dirty-ring-size=N is offered; see the function DirtyRing
	Err       error `json:"-"`          // why it isn't usable
}

// nested reports whether the CPU reports that a hypervisor runs it.
func nested(root fs.FS) bool {
	info, err := fs.ReadFile(root, "proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			return strings.Contains(" "+strings.TrimSpace(flags)+" ", " hypervisor ")
		}
	}
	return false
}

// Fact says it to a person.
func (k KVM) Fact() Fact {
	f := Fact{Name: "kvm", Have: k.Usable}
	switch {
	case k.Usable && k.Nested:
		f.Says = kvmDevice + " works; this host is a VM itself, where KVM can be far slower than TCG"
	case k.Usable:
		f.Says = kvmDevice + " works"
	default:
		f.Says, f.Costs = k.Err.Error(), "-accel kvm, and what only it has, such as the dirty ring; the others run under TCG"
		switch {
		case errors.Is(k.Err, fs.ErrPermission):
			f.Remedy = "sudo usermod -aG kvm $USER, then log in again"
		case errors.Is(k.Err, fs.ErrNotExist):
			f.Remedy = "enable virtualization in the firmware, or nested virtualization for this VM, and load the kernel's module kvm_intel or kvm_amd"
		default:
			f.Remedy = "is another hypervisor using the processor?"
		}
	}
	if k.DirtyRing {
		f.Says += "; it offers the dirty ring"
	}
	return f
}
