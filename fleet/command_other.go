//go:build !linux

package fleet

import "syscall"

// dieWithParent does nothing: no other kernel offers it.
func dieWithParent(*syscall.SysProcAttr) {}
