package host

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onlineCPUs returns how many processors this process may run on.
func onlineCPUs() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return runtime.NumCPU()
	}
	return set.Count()
}
