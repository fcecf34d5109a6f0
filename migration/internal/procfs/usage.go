package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is what a process has used since it was started.
type Usage struct {
	All     time.Duration // CPU time of all threads, also of those that have ended
	Named   time.Duration // CPU time of the threads that were asked for
	PeakRSS int64         // the most memory that was resident, in bytes
}

// UsageOf looks at what a process has used: of CPU time to the microsecond, and, of that, by
// the threads that live and whose names begin with prefix.
func UsageOf(pid int, prefix string) (u Usage, err error) {
	// The clock of a process's CPU time, as clock_getcpuclockid(3) makes it.
	const perProcess = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|perProcess, &used); err != nil {
		return u, fmt.Errorf("the CPU time of process %d: %w", pid, err)
	}
	u.All = time.Duration(used.Nano())
	named, err := cpuOfThreads(pid, func(name string) bool { return strings.HasPrefix(name, prefix) })
	if err != nil {
		return u, err
	}
	u.Named = named.Since(nil)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	u.PeakRSS = kilobytes << 10
	return u, err
}
