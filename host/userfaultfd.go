package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Features is what the kernel's userfaultfd offers to this process.
type Features struct {
	// Syscall says that the system call works, which all QEMUs use. Where it
	// is false, only /dev/userfaultfd works, which QEMU uses since 8.1.
	Syscall bool `json:"syscall"`

	ThreadID     bool `json:"thread_id"`     // a fault says which thread waits: postcopy-blocktime
	WriteProtect bool `json:"write_protect"` // writes can be caught: background-snapshot
	Hugetlbfs    bool `json:"hugetlbfs"`     // for guests whose memory is huge pages
	Shmem        bool `json:"shmem"`         // for guests whose memory is a memfd or a file of a tmpfs
}

// A UserfaultfdError says why there is no userfaultfd for this process, and
// so no postcopy.
type UserfaultfdError struct {
	Reason string
	Remedy string
	Err    error // from the kernel
}

func (e *UserfaultfdError) Error() string {
	return "no userfaultfd: " + e.Reason + "; " + e.Remedy
}

func (e *UserfaultfdError) Unwrap() error { return e.Err }

const (
	userfaultfdDevice = "/dev/userfaultfd"
	userfaultfdSysctl = "/proc/sys/vm/unprivileged_userfaultfd"
)

// From linux/userfaultfd.h.
const (
	uffdAPI = 0xAA

	uffdFeatureWriteProtect = 1 << 0
	uffdFeatureHugetlbfs    = 1 << 4
	uffdFeatureShmem        = 1 << 5
	uffdFeatureThreadID     = 1 << 8

	uffdRegister   = 1 << 0 // bits of uffdioAPI.ioctls
	uffdUnregister = 1 << 1
)

// Userfaultfd reports whether this process, and so a QEMU that it starts, can
// have page faults handed to it: which postcopy needs. It opens one, shakes
// hands with the kernel and closes it. An error is a *UserfaultfdError.
func Userfaultfd() (Features, error) {
	fd, err := userfaultfdSyscall()
	if err == nil {
		features, err := handshake(fd)
		features.Syscall = err == nil
		return features, err
	}
	fd, deviceErr := userfaultfdFromDevice()
	if deviceErr == nil {
		return handshake(fd)
	}
	return Features{}, explainUserfaultfd(err, readText(userfaultfdSysctl), deviceErr)
}

// explainUserfaultfd makes the error for a process that neither the system
// call nor the device serves.
func explainUserfaultfd(syscallErr error, sysctl string, deviceErr error) error {
	e := &UserfaultfdError{Err: syscallErr}
	switch {
	case errors.Is(syscallErr, unix.ENOSYS):
		e.Reason = "this kernel has none"
		e.Remedy = "use a Linux kernel that was built with CONFIG_USERFAULTFD"
	case errors.Is(syscallErr, unix.EPERM) && sysctl == "0":
		e.Reason = "the sysctl vm.unprivileged_userfaultfd is 0 and this process has no CAP_SYS_PTRACE"
		e.Remedy = "sudo sysctl vm.unprivileged_userfaultfd=1"
		if errors.Is(deviceErr, fs.ErrPermission) {
			e.Remedy += ", or, for QEMU 8.1 and later, give this user access to " + userfaultfdDevice
		}
	case errors.Is(syscallErr, unix.EPERM):
		e.Reason = "the system call is forbidden here, as containers do it"
		e.Remedy = "allow userfaultfd in the container's seccomp profile (docker run --security-opt seccomp=unconfined)"
	default:
		e.Reason = fmt.Sprintf("the system call fails with %v", syscallErr)
		e.Remedy = "are there descriptors left (ulimit -n)?"
	}
	return e
}

// readText returns a small file's text without white space around it; "" if
// it can't be read.
func readText(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
