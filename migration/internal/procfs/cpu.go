package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of CPU times in /proc: USER_HZ is 100 on every architecture
// that Linux is built for today.
const userHZ = 10 * time.Millisecond

// CPUTimes are what the CPUs of this host have been used for since it started.
type CPUTimes struct {
	Busy time.Duration // by anybody, or stolen from this host by another
	CPUs int
}

// HostCPU reads /proc/stat.
func HostCPU() (t CPUTimes, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 8 && fields[0] == "cpu":
			const user, nice, system, irq, softIRQ, steal = 1, 2, 3, 6, 7, 8
			for _, i := range []int{user, nice, system, irq, softIRQ, steal} {
				n, _ := strconv.ParseInt(fields[i], 10, 64)
				t.Busy += time.Duration(n) * userHZ
			}
		case len(fields) > 0 && strings.HasPrefix(fields[0], "cpu"):
			t.CPUs++
		}
	}
	return t, nil
}

// CPUOf is the CPU time that a process has used, all its threads together; 0 is
// for our own.
func CPUOf(pid int) (time.Duration, error) {
	path := "/proc/self/stat"
	if pid != 0 {
		path = fmt.Sprintf("/proc/%d/stat", pid)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name
	fields := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the state
	if len(fields) <= stime {
		return 0, fmt.Errorf("%s: %q", path, text)
	}
	user, _ := strconv.ParseInt(fields[utime], 10, 64)
	system, _ := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(user+system) * userHZ, nil
}

// LoadAverage is the host's over the last minute, 0 where that can't be read.
func LoadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// ThreadCPU is the CPU time that threads of a process have used, by their ids.
type ThreadCPU map[string]time.Duration

// VCPUThreads is how the names of QEMU's threads begin that run a vCPU each, where it names them.
const VCPUThreads = "CPU "

// CPUOfVCPUs is the CPU time that those threads of a QEMU have used that run vCPUs.
func CPUOfVCPUs(pid int) (ThreadCPU, error) {
	return cpuOfThreads(pid, func(name string) bool { return strings.HasPrefix(name, VCPUThreads) })
}

// CPUBesideVCPUs is the CPU time that the others of its threads have used; those that have ended
// are not among them.
func CPUBesideVCPUs(pid int) (ThreadCPU, error) {
	return cpuOfThreads(pid, func(name string) bool { return !strings.HasPrefix(name, VCPUThreads) })
}

func cpuOfThreads(pid int, wanted func(name string) bool) (ThreadCPU, error) {
	folder := fmt.Sprintf("/proc/%d/task/", pid)
	tasks, err := os.ReadDir(folder)
	used := ThreadCPU{}
	for _, task := range tasks {
		name, _ := os.ReadFile(folder + task.Name() + "/comm") // a thread may end meanwhile
		if len(name) == 0 || !wanted(string(name)) {
			continue
		}
		text, _ := os.ReadFile(folder + task.Name() + "/schedstat")
		ran, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ran, 10, 64)
		used[task.Name()] = time.Duration(n)
	}
	return used, err
}

// MostSince is the CPU time that the one of these threads has used since then that has used most.
func (u ThreadCPU) MostSince(then ThreadCPU) (most time.Duration) {
	for id, used := range u {
		most = max(most, used-then[id])
	}
	return most
}

// Since is the CPU time that these threads have used since then, all together.
func (u ThreadCPU) Since(then ThreadCPU) (sum time.Duration) {
	for id, used := range u {
		sum += max(0, used-then[id])
	}
	return sum
}
