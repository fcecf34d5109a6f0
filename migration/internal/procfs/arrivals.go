package procfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Arrivals are the connections to ports on which one process listens for others, at one look.
type Arrivals struct {
	// Listening says that it still takes connections.
	Listening bool
	// Taken is how many it has that come from one of the others; Strange how many that
	// don't, or of which nobody can tell.
	Taken, Strange int
	// Own are all TCP connections among these processes, by the ports of their ends.
	Own []Ends
}

// Ends are the ports of a TCP connection's ends, the lower one first.
type Ends [2]int

// Processes are the ids of some processes, and of those that they have started.
func Processes(pids ...int) (all []int) {
	for _, pid := range pids {
		for p := range withChildren(pid) {
			all = append(all, p)
		}
	}
	return all
}

// ArrivalsAt looks at the connections to TCP ports of this host on which a process listens.
// Listener and others are process ids, as [Processes] returns them. It looks at two or three
// files of /proc and at each process's descriptors.
func ArrivalsAt(ports, listener, others []int) (a Arrivals, err error) {
	theirs, mine := sockets(listener), sockets(others)
	table, err := tcpTable()
	ends := map[Ends]tcpSocket{} // by local and remote port
	for _, s := range table {
		ends[Ends{s.local, s.remote}] = s
	}
	for _, s := range table {
		other := ends[Ends{s.remote, s.local}]
		at := slices.Contains(ports, s.local)
		switch {
		case at && s.state == listening && theirs[s.inode]:
			a.Listening = true
		case s.state != established || !theirs[s.inode] && !mine[s.inode]:
		case at && theirs[s.inode] && mine[other.inode]:
			a.Taken++
		case at && theirs[s.inode]:
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

const listening = "0A"

// sockets are the inodes of the sockets that processes have open.
func sockets(pids []int) map[string]bool {
	all := map[string]bool{}
	for _, pid := range pids {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, path := range open {
			to, _ := os.Readlink(path)
			if inode, is := strings.CutPrefix(to, "socket:["); is {
				all[strings.TrimSuffix(inode, "]")] = true
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
