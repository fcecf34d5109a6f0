package host

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// userfaultfdSyscall opens a userfaultfd as QEMU does it.
func userfaultfdSyscall() (fd int, err error) {
	r, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// userfaultfdFromDevice opens one through the device, whose permissions count
// instead of a capability.
func userfaultfdFromDevice() (fd int, err error) {
	device, err := unix.Open(userfaultfdDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(device)
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(device), ioctlNew(), unix.O_CLOEXEC|unix.O_NONBLOCK)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// uffdioAPI is struct uffdio_api.
type uffdioAPI struct{ api, features, ioctls uint64 }

// handshake asks a fresh userfaultfd for its features and closes it.
func handshake(fd int) (Features, error) {
	defer unix.Close(fd)
	ask := uffdioAPI{api: uffdAPI}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlAPI(), uintptr(unsafe.Pointer(&ask))); errno != 0 {
		return Features{}, &UserfaultfdError{
			Reason: "the kernel refuses the handshake (UFFDIO_API): " + errno.Error(),
			Remedy: "use a newer kernel", Err: errno,
		}
	}
	if needed := uint64(uffdRegister | uffdUnregister); ask.ioctls&needed != needed {
		return Features{}, &UserfaultfdError{
			Reason: "the kernel's can't register memory (UFFDIO_REGISTER, UFFDIO_UNREGISTER)",
			Remedy: "use a newer kernel",
		}
	}
	return Features{
		ThreadID:     ask.features&uffdFeatureThreadID != 0,
		WriteProtect: ask.features&uffdFeatureWriteProtect != 0,
		Hugetlbfs:    ask.features&uffdFeatureHugetlbfs != 0,
		Shmem:        ask.features&uffdFeatureShmem != 0,
	}, nil
}

// ioctlAPI is UFFDIO_API: _IOWR(0xAA, 0x3F, struct uffdio_api).
func ioctlAPI() uintptr {
	return ioctl(true, 0x3f, unsafe.Sizeof(uffdioAPI{}))
}

// ioctlNew is USERFAULTFD_IOC_NEW: _IO(0xAA, 0).
func ioctlNew() uintptr { return ioctl(false, 0, 0) }

// ioctl makes the number of a userfaultfd request, which some architectures
// encode in their own way.
func ioctl(readWrite bool, number, size uintptr) uintptr {
	none, both, shift := uintptr(0), uintptr(3), 30
	switch runtime.GOARCH {
	case "ppc64", "ppc64le", "mips", "mipsle", "mips64", "mips64le":
		none, both, shift = 1, 6, 29
	}
	direction := none
	if readWrite {
		direction = both
	}
	return direction<<shift | size<<16 | uffdAPI<<8 | number
}
