package qtest_test

import "syscall"

// deathSignal has the kernel end QEMU when the test process dies.
func deathSignal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
