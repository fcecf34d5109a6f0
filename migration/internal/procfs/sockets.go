package procfs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrClosed says that whoever made a connection had closed it before it could be told who.
var ErrClosed = errors.New("its other end was closed before drover could look")

// Owns reports whether the other end of a connection that was accepted here is a process, or
// one that it has started. Of a TCP connection the other end must be on this host; where that
// is closed already it is taken for the process's, with [ErrClosed].
func Owns(pid int, accepted net.Conn) (bool, error) {
	switch c := accepted.(type) {
	case *net.UnixConn:
		return ownsUnix(pid, c)
	case *net.TCPConn:
		return ownsTCP(pid, endOf(c.RemoteAddr()), endOf(c.LocalAddr()))
	}
	return false, fmt.Errorf("who is at the other end of a %T can't be told", accepted)
}

// A socket that isn't among the process's files is another's. It is looked for again before
// that is believed, for files come and go while they are read: so often, with such a pause.
const (
	fileLooks = 3
	lookPause = 2 * time.Millisecond
)

// ownsTCP reports whether a connection's socket is a process's. Of one that its process has
// closed already, with bytes still on their way, nobody knows whose it was: it is taken for
// the process's.
func ownsTCP(pid int, peer, ours netip.AddrPort) (bool, error) {
	inode, err := inodeOf(peer, ours)
	if err != nil { // a kernel without sock_diag
		inode, err = tcpInode(int(peer.Port()), int(ours.Port()))
	}
	switch {
	case err != nil:
		return false, err
	case inode == "" || inode == closedInode:
		return true, ErrClosed
	}
	for look := 1; !holds(pid, inode); look++ {
		if look == fileLooks {
			return false, nil
		}
		time.Sleep(lookPause)
	}
	return true, nil
}

// endOf is the address and port of a TCP connection's end, an IPv4 one as such.
func endOf(end net.Addr) netip.AddrPort {
	tcp := end.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(tcp.Addr().Unmap(), tcp.Port())
}

// closedInode is what a socket without a process has.
const closedInode = "0"

func ownsUnix(pid int, c *net.UnixConn) (owns bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	var peer *unix.Ucred
	if wrong := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); wrong != nil {
		return false, wrong
	}
	if err != nil {
		return false, err
	}
	for p := range withChildren(pid) {
		if p == int(peer.Pid) {
			return true, nil
		}
	}
	return false, nil
}

// StrangersOn names the connections to a TCP port of this host whose other end is none of
// a process, nor of one that it has started.
func StrangersOn(port, pid int) (strangers []string) {
	table, _ := tcpTable()
	for _, s := range table {
		if s.local != port || s.remote == 0 {
			continue
		}
		for _, other := range table {
			if other.local == s.remote && other.remote == port && (other.inode == closedInode || !holds(pid, other.inode)) && other.state == established {
				strangers = append(strangers, fmt.Sprintf("port %d of user %s", other.local, other.uid))
			}
		}
	}
	return strangers
}

// Self is our own process.
var Self = os.Getpid()

// A tcpSocket is a line of /proc/net/tcp or tcp6.
type tcpSocket struct {
	local, remote int // ports
	state         string
	uid, inode    string
	queued        int // to be read; of a listener, connections to be taken
}

const established = "01"

func tcpTable() (all []tcpSocket, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, wrong := os.ReadFile(file)
		if wrong != nil && file == "/proc/net/tcp" {
			err = wrong
		}
		for line := range strings.Lines(string(text)) {
			const local, remote, state, queues, uid, inode = 1, 2, 3, 4, 7, 9
			if f := strings.Fields(line); len(f) > inode {
				_, received, _ := strings.Cut(f[queues], ":")
				queued, _ := strconv.ParseInt(received, 16, 64)
				all = append(all, tcpSocket{portOf(f[local]), portOf(f[remote]), f[state], f[uid], f[inode], int(queued)})
			}
		}
	}
	return all, err
}

// portOf is the port of an address as /proc/net/tcp has it, 0 for none.
func portOf(address string) int {
	_, port, _ := strings.Cut(address, ":")
	raw, err := hex.DecodeString(port)
	if err != nil || len(raw) != 2 {
		return 0
	}
	return int(raw[0])<<8 | int(raw[1])
}

// The kernel's table may miss a connection while others come and go, so one that isn't
// found is looked for again.
const tableLooks = 25

// tcpInode looks for a socket in the kernel's table; "" where it isn't there.
func tcpInode(local, remote int) (string, error) {
	for look := 1; ; look++ {
		table, err := tcpTable()
		for _, s := range table {
			if s.local == local && s.remote == remote {
				return s.inode, err
			}
		}
		if err != nil || look == tableLooks {
			return "", err
		}
		time.Sleep(lookPause)
	}
}

// holds reports whether a process, or one that it has started, has the socket.
func holds(pid int, inode string) bool {
	for p := range withChildren(pid) {
		if sockets([]int{p})[inode] {
			return true
		}
	}
	return false
}

// withChildren is a process and then those that it has started, which are looked for only
// where the first is not enough: all of /proc is read for them.
func withChildren(pid int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if !yield(pid) {
			return
		}
		for _, child := range ChildrenOf(pid) {
			if n, err := strconv.Atoi(child.PID); err == nil && !yield(n) {
				return
			}
		}
	}
}
