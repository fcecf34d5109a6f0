package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Cost is what a process has used since it was started.
type Cost struct {
	CPU     time.Duration // of all threads, also of those that have ended
	Threads time.Duration // of it, those that live and were asked for
	PeakRSS int64         // the most memory that was resident, in bytes
}

// CostOf looks at what a process has used: of CPU time to the microsecond, and, of that, what
// the threads have used that live and whose names begin with prefix.
func CostOf(pid int, prefix string) (c Cost, err error) {
	// The clock of a process's CPU time, as clock_getcpuclockid(3) makes it.
	const perProcess = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|perProcess, &used); err != nil {
		return c, fmt.Errorf("the CPU time of process %d: %w", pid, err)
	}
	c.CPU = time.Duration(used.Nano())
	folder := fmt.Sprintf("/proc/%d/", pid)
	tasks, err := os.ReadDir(folder + "task")
	if err != nil {
		return c, err
	}
	for _, task := range tasks {
		name, _ := os.ReadFile(folder + "task/" + task.Name() + "/comm") // it may have ended
		if !strings.HasPrefix(string(name), prefix) {
			continue
		}
		ran, _ := os.ReadFile(folder + "task/" + task.Name() + "/schedstat")
		nanoseconds, _, _ := strings.Cut(string(ran), " ")
		n, _ := strconv.ParseInt(nanoseconds, 10, 64)
		c.Threads += time.Duration(n)
	}
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return c, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	c.PeakRSS = kilobytes << 10
	return c, err
}
