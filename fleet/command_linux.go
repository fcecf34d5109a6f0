package fleet

import "syscall"

// dieWithParent asks the kernel to end the child when the thread that forked
// it ends: with the process, if that thread's goroutine keeps it.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
