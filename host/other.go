//go:build !linux

package host

import (
	"errors"
	"runtime"
)

func onlineCPUs() int { return runtime.NumCPU() }

func tmpfsRoom(string) (uint64, bool) { return 0, false }

// KVMState says that no other kernel has it.
func KVMState() KVM {
	return KVM{Err: errors.New("KVM is Linux's")}
}
