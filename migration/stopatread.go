package migration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Dnotify is the kernel's way to send a process a signal when a file is read.
var Dnotify = Need{Host: func() string {
	const file = "/proc/sys/fs/dir-notify-enable"
	if on, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(on)) != "1" {
		return "the kernel can't stop a QEMU at its first read of a file: " + file + " is not 1 (CONFIG_DNOTIFY)"
	}
	return ""
}}

// What F_NOTIFY is asked for (linux/fcntl.h): a signal whenever a file of the folder
// was read.
const (
	dnAccess    = 0x00000001
	dnMultishot = 0x80000000
)

// stopAtReads makes the kernel stop the side's QEMU whenever a file of the folder was
// read: it tells of that with a signal, which is SIGSTOP, and goes to QEMU (fcntl(2),
// F_NOTIFY). So nothing of ours has to run in time for it. Release ends that and lets
// QEMU go on; it may be called again.
func (s *Side) stopAtReads(folder string) (release func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for _, set := range []struct{ command, value int }{
		{unix.F_SETOWN, s.PID()}, {unix.F_SETSIG, int(unix.SIGSTOP)}, {unix.F_NOTIFY, dnAccess | dnMultishot},
	} {
		if _, err := unix.FcntlInt(dir.Fd(), set.command, set.value); err != nil {
			return nil, errors.Join(fmt.Errorf("fcntl(%s, %#x, %#x): %w", folder, set.command, set.value, err), dir.Close())
		}
	}
	return sync.OnceFunc(func() {
		_ = dir.Close() // and with it the notices
		s.goOn()
	}), nil
}

// goOn lets a QEMU go on that was stopped by a signal.
func (s *Side) goOn() { _ = unix.Kill(s.PID(), unix.SIGCONT) }

// isStopped says whether the side's QEMU is stopped by a signal (proc(5)).
func (s *Side) isStopped() bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	_, state, _ := strings.Cut(string(stat), ") ") // behind the name
	return strings.HasPrefix(state, "T")
}
