//go:build linux

package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// vcpusOnline are the numbers of the vCPUs that the kernel uses now, from the lowest on.
func vcpusOnline() []int {
	text, _ := os.ReadFile("/sys/devices/system/cpu/online")
	all := numbersOf(string(text))
	if len(all) == 0 {
		return []int{0}
	}
	return all
}

// numbersOf reads a list as the kernel writes it: 0-2,5.
func numbersOf(list string) (all []int) {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if ranged && err == nil {
			to, err = strconv.Atoi(last)
		}
		for n := from; err == nil && n <= to && n < mostVCPUs; n++ {
			all = append(all, n)
		}
	}
	return all
}

// mostVCPUs is how many a mask of them has room for.
const mostVCPUs = 1024

// onEach runs a function on each of these vCPUs, in a thread of its own that stays there, and
// returns when all have returned. The error is why a thread could not be kept there.
func onEach(vcpus []int, do func(i int)) error {
	var all sync.WaitGroup
	wrong := make([]error, len(vcpus))
	for i, vcpu := range vcpus {
		all.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the function
			if wrong[i] = pin(vcpu); wrong[i] == nil {
				do(i)
			}
		})
	}
	all.Wait()
	for _, err := range wrong {
		if err != nil {
			return err
		}
	}
	return nil
}

// pin keeps the calling thread on one vCPU.
func pin(vcpu int) error {
	var mask [mostVCPUs / 64]uint64
	mask[vcpu/64] = 1 << (vcpu % 64)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return os.NewSyscallError("sched_setaffinity for vCPU "+strconv.Itoa(vcpu), errno)
	}
	return nil
}
