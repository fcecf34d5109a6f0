package procfs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Dnotify returns why the kernel can't report reads of a file with a signal, nil where it
// can.
func Dnotify() error {
	const file = "/proc/sys/fs/dir-notify-enable"
	if on, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(on)) != "1" {
		return errors.New("the kernel can't stop a QEMU at its first read of a file: " + file + " is not 1 (CONFIG_DNOTIFY)")
	}
	return nil
}

// CountsIO says why the kernel doesn't count what a thread reads and writes, nil where it
// does.
func CountsIO() error {
	if _, err := os.ReadFile("/proc/thread-self/io"); err != nil {
		return fmt.Errorf("the kernel does not count what a thread writes (CONFIG_TASK_IO_ACCOUNTING): %w", err)
	}
	return nil
}

// What F_NOTIFY is asked for (linux/fcntl.h): a signal whenever a file of the folder
// was read.
const (
	dnAccess    = 0x00000001
	dnMultishot = 0x80000000
)

// StopAtReads makes the kernel stop a process whenever a file of the folder was read: it
// reports that with a signal, which is SIGSTOP, and goes to the process (fcntl(2),
// F_NOTIFY). So nothing of ours has to run in time for it. Release ends that and lets
// the process continue; it may be called again.
func StopAtReads(pid int, folder string) (release func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for _, set := range []struct{ command, value int }{
		{unix.F_SETOWN, pid}, {unix.F_SETSIG, int(unix.SIGSTOP)}, {unix.F_NOTIFY, dnAccess | dnMultishot},
	} {
		if _, err := unix.FcntlInt(dir.Fd(), set.command, set.value); err != nil {
			return nil, errors.Join(fmt.Errorf("fcntl(%s, %#x, %#x): %w", folder, set.command, set.value, err), dir.Close())
		}
	}
	return sync.OnceFunc(func() {
		_ = dir.Close() // and with it the notices
		Continue(pid)
	}), nil
}

// Continue lets a process continue that was stopped by a signal.
func Continue(pid int) { _ = unix.Kill(pid, unix.SIGCONT) }

// IsStopped reports whether a process is stopped by a signal.
func IsStopped(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ") // behind the name
	return strings.HasPrefix(state, "T")
}

// WrittenBy is how many bytes a process has written, by the kernel's count of its calls.
func WrittenBy(pid int) (uint64, error) {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	return field(string(io), Written, 10), err
}
