package host

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// From linux/kvm.h.
const (
	kvmGetAPIVersion     = 0xAE00
	kvmCreateVM          = 0xAE01
	kvmCheckExtension    = 0xAE03
	kvmAPIVersion        = 12
	kvmCapDirtyLogRing   = 192
	kvmCapDirtyRingOrder = 223 // the form for weakly ordered processors
)

// KVMState makes a VM and ends it again, which takes a millisecond.
func KVMState() KVM {
	k := KVM{Nested: nested(os.DirFS("/"))}
	device, err := unix.Open(kvmDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		k.Err = &fs.PathError{Op: "open", Path: kvmDevice, Err: err}
		return k
	}
	defer unix.Close(device)
	if version, err := unix.IoctlRetInt(device, kvmGetAPIVersion); err != nil || version != kvmAPIVersion {
		k.Err = errors.New(kvmDevice + " does not have KVM's present interface")
		return k
	}
	vm, err := unix.IoctlRetInt(device, kvmCreateVM)
	if err != nil {
		k.Err = &fs.PathError{Op: "make a VM with", Path: kvmDevice, Err: err}
		return k
	}
	_ = unix.Close(vm)
	k.Usable = true
	for _, extension := range []int{kvmCapDirtyLogRing, kvmCapDirtyRingOrder} {
		size, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(device), kvmCheckExtension, uintptr(extension))
		k.DirtyRing = k.DirtyRing || errno == 0 && size > 0
	}
	return k
}
