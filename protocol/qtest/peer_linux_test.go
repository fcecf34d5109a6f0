package qtest_test

import "syscall"

// deathSignal has the kernel end QEMU when the test dies. Go may end the
// thread that forked it early; the tests survive that, for they fail then.
func deathSignal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
