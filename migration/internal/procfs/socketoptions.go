package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SocketOptions are the options of a TCP connection that one of its ends can set.
type SocketOptions struct {
	MPTCP                 bool // its protocol is MPTCP
	KeepAlive             bool
	Idle, Interval, Count int // of keep-alive: seconds, seconds, probes
}

// OptionsOf returns the options of every connection of a process that has the port at one of
// its ends, in the order of its descriptors. It takes the right to trace the process, and
// pidfd_getfd(2), which came with Linux 5.6.
func OptionsOf(pid, port int) (all []SocketOptions, err error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(process) }()
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	open, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range open {
		to, _ := os.Readlink(folder + entry.Name())
		number, err := strconv.Atoi(entry.Name())
		if err != nil || !strings.HasPrefix(to, "socket:") {
			continue
		}
		copied, err := unix.PidfdGetfd(process, number, 0)
		if err != nil {
			return nil, fmt.Errorf("pidfd_getfd: %w", err)
		}
		if connects(copied, port) {
			var o SocketOptions
			if o, err = optionsOf(copied); err == nil {
				all = append(all, o)
			}
		}
		_ = unix.Close(copied)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// connects says whether a socket is a connection from that port or to it.
func connects(fd, port int) bool {
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return false
	}
	own, err := unix.Getsockname(fd)
	return err == nil && (portIn(peer) == port || portIn(own) == port)
}

func portIn(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return -1
}

func optionsOf(fd int) (o SocketOptions, err error) {
	get := func(level, option int) int {
		value := 0
		if err == nil {
			value, err = unix.GetsockoptInt(fd, level, option)
		}
		return value
	}
	o.MPTCP = get(unix.SOL_SOCKET, unix.SO_PROTOCOL) == unix.IPPROTO_MPTCP
	o.KeepAlive = get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0
	if o.MPTCP { // which has no times of its own on every kernel
		return o, err
	}
	o.Idle = get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
	o.Interval = get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
	o.Count = get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
	return o, err
}

// Listening returns the names of the UNIX sockets on which somebody listens, as
// /proc/net/unix has them: one in the abstract space begins with @, and has one for each
// zero byte.
func Listening() (names []string, err error) {
	const flags, name = 3, 7
	sockets, err := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > name && f[flags] == "00010000" {
			names = append(names, f[name])
		}
	}
	return names, err
}
