package procfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Arrivals are the connections to ports on which one process listens for others, at one look.
type Arrivals struct {
	// Listening says that it still takes connections.
	Listening bool
	// Came is how many it has, or are next to be taken, that come from one of the others;
	// Strange how many that don't, or of which nobody can tell.
	Came, Strange int
	// Waiting is how many wait to be taken, also those that are closed by now.
	Waiting int
	// Own are all TCP connections among these processes, by the ports of their ends.
	Own []Ends
}

// Ends are the ports of a TCP connection's ends, the lower one first.
type Ends [2]int

// ListensTCP reports whether a process listens on a TCP port.
func ListensTCP(pid, port int) bool {
	mine := sockets([]int{pid})
	table, _ := tcpTable(1 << listening)
	return slices.ContainsFunc(table, func(s tcpSocket) bool { return s.local == port && mine[s.inode] })
}

// WaitsAt reports whether a connection waits to be taken by whoever listens on one of some TCP
// ports of this host.
func WaitsAt(ports []int) bool {
	table, _ := tcpTable(1 << listening)
	return slices.ContainsFunc(table, func(s tcpSocket) bool { return slices.Contains(ports, s.local) && s.queued > 0 })
}

// Stop stops a process (SIGSTOP), and waits until it has been.
func Stop(ctx context.Context, pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		switch state, _ := bytes.CutPrefix(text[bytes.LastIndexByte(text, ')')+1:], []byte(" ")); {
		case len(state) > 0 && state[0] == 'T':
			return nil
		case len(state) > 0 && (state[0] == 'Z' || state[0] == 'X'):
			return unix.ESRCH
		}
		if ctx.Err() != nil {
			_ = unix.Kill(pid, unix.SIGCONT)
			return context.Cause(ctx)
		}
		time.Sleep(stopPause)
	}
}

// stopPause is between two looks at a process that is to stop.
const stopPause = 100 * time.Microsecond

// Processes are the ids of some processes, and of those that they have started.
func Processes(pids ...int) (all []int) {
	for _, child := range ChildrenOf(pids...) {
		all = append(all, child.PID)
	}
	return append(all, pids...)
}

// ArrivalsAt looks at the connections to TCP ports of this host on which a process listens.
// Listener and others are process ids, as [Processes] returns them. It asks the
// kernel for its table, which takes milliseconds, and looks at each process's descriptors.
func ArrivalsAt(ports, listener, others []int) (a Arrivals, err error) {
	theirs, mine := sockets(listener), sockets(others)
	table, err := tcpTable(1<<established | 1<<listening)
	ends := map[Ends]tcpSocket{} // by local and remote port
	for _, s := range table {
		ends[Ends{s.local, s.remote}] = s
	}
	for _, s := range table {
		other := ends[Ends{s.remote, s.local}]
		at := slices.Contains(ports, s.local)
		switch {
		case at && s.state == listening && theirs[s.inode]:
			a.Listening, a.Waiting = true, a.Waiting+s.queued
		case s.state != established || !at || s.inode != closedInode && !theirs[s.inode]:
		case mine[other.inode]:
			a.Came++
		default:
			a.Strange++
		}
		waits := other.inode == closedInode && slices.Contains(ports, s.remote) // to be taken
		if s.state == established && mine[s.inode] && other.state == established && (waits || theirs[other.inode] || mine[other.inode]) {
			pair := Ends{min(s.local, s.remote), max(s.local, s.remote)}
			if !slices.Contains(a.Own, pair) {
				a.Own = append(a.Own, pair)
			}
		}
	}
	return a, err
}

// sockets are the inodes of the sockets that processes have open.
func sockets(pids []int) map[uint32]bool {
	all := map[uint32]bool{}
	for _, pid := range pids {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, path := range open {
			to, _ := os.Readlink(path)
			if inode, is := strings.CutPrefix(to, "socket:["); is {
				n, _ := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 32)
				all[uint32(n)] = true
			}
		}
	}
	return all
}

// TCPTaken is how many TCP connections have come to listeners of this host, or of our network
// namespace, since it was started, whoever made them.
func TCPTaken() (int, error) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != "Tcp:":
		case names == nil:
			names = f
		default:
			if i := slices.Index(names, "PassiveOpens"); i >= 0 && i < len(f) {
				return strconv.Atoi(f[i])
			}
		}
	}
	return 0, errors.New("/proc/net/snmp does not say how many TCP connections were taken")
}
