//go:build !linux

package host

import "golang.org/x/sys/unix"

func userfaultfdSyscall() (int, error) { return -1, unix.ENOSYS }

func userfaultfdFromDevice() (int, error) { return -1, unix.ENOSYS }

func handshake(int) (Features, error) { return Features{}, unix.ENOSYS }
