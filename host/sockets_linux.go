package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// localCID is a host's own vsock address (VMADDR_CID_LOCAL).
const localCID = 1

// VSOCKPort returns a port of this host's own vsock address that was free a moment ago. The
// error says how a host gets one.
func VSOCKPort() (uint32, error) {
	const remedy = "modprobe vsock_loopback"
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("this host has no vsock (%w): %s", err, remedy)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: localCID, Port: unix.VMADDR_PORT_ANY}); err != nil {
		return 0, fmt.Errorf("this host has no vsock to itself (%w): %s", err, remedy)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	vm, ok := address.(*unix.SockaddrVM)
	if !ok {
		return 0, errors.New("a vsock socket is not bound to a vsock address")
	}
	return vm.Port, nil
}

// MPTCP says whether this host's kernel makes MPTCP sockets. The error says how it does.
func MPTCP() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return fmt.Errorf("this host makes no MPTCP sockets (%w): sysctl net.mptcp.enabled=1, on a Linux built with CONFIG_MPTCP", err)
	}
	return unix.Close(fd)
}

// lockedMemory is how much a zero-copy migration of a small guest may have locked at a time,
// in bytes.
const lockedMemory = 256 << 20

// LockedMemory says whether a process may lock as much memory as a zero-copy migration does.
// The error says what to raise.
func LockedMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	if limit.Cur >= lockedMemory || mayLock() {
		return nil
	}
	return fmt.Errorf("a process may lock %d KiB of memory here, and a zero-copy migration takes %d: ulimit -l %d", limit.Cur>>10, lockedMemory>>10, lockedMemory>>10)
}

// mayLock says whether we have CAP_IPC_LOCK, for which there is no limit.
func mayLock() bool {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "CapEff:")
	effective, _ := strconv.ParseUint(strings.Fields(after + " 0")[0], 16, 64)
	return effective>>unix.CAP_IPC_LOCK&1 != 0
}
