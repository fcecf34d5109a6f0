package procfs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
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
	socket, err := oneTCP(peer, ours)
	if err != nil { // a kernel without sock_diag
		socket, err = lookForTCP(int(peer.Port()), int(ours.Port()))
	}
	switch {
	case err != nil:
		return false, err
	case socket == nil || socket.inode == closedInode:
		return true, ErrClosed
	}
	for look := 1; !holds(socket.inode, pid); look++ {
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
const closedInode = 0

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
	other := int(peer.Pid)
	return other == pid || slices.Contains(Processes(pid), other), nil // all of /proc is read for its children
}

// StrangersOn names the connections to a TCP port of this host whose other end is none of
// some processes, nor of one that they have started.
func StrangersOn(port int, pids ...int) (strangers []string) {
	table, _ := tcpTable(1 << established)
	for _, s := range table {
		if s.local != port || s.remote == 0 {
			continue
		}
		for _, other := range table {
			if other.local == s.remote && other.remote == port && other.state == established &&
				(other.inode == closedInode || !holds(other.inode, pids...)) {
				strangers = append(strangers, fmt.Sprintf("port %d of user %d", other.local, other.uid))
			}
		}
	}
	return strangers
}

// Self is our own process.
var Self = os.Getpid()

// A tcpSocket is what the kernel says of one, of IPv4 or IPv6.
type tcpSocket struct {
	local, remote int  // ports
	state         byte // of linux/tcp_states.h
	uid, inode    uint32
	queued        int // to be read; of a listener, connections to be taken
}

const (
	established byte = 1
	listening   byte = 10
)

// tcpTable are the TCP sockets of this host that are in one of some states, each 1<<state.
func tcpTable(states uint32) ([]tcpSocket, error) {
	if all, err := dumpTCP(states); err == nil {
		return all, nil
	}
	all, err := tcpText() // a kernel without sock_diag
	return slices.DeleteFunc(all, func(s tcpSocket) bool { return states&(1<<s.state) == 0 }), err
}

// tcpText reads /proc/net/tcp and tcp6, which a kernel without sock_diag has.
func tcpText() (all []tcpSocket, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, wrong := os.ReadFile(file)
		if wrong != nil && file == "/proc/net/tcp" {
			err = wrong
		}
		for line := range strings.Lines(string(text)) {
			const local, remote, state, queues, uid, inode = 1, 2, 3, 4, 7, 9
			f := strings.Fields(line)
			if len(f) <= inode || f[local] == "local_address" {
				continue
			}
			_, received, _ := strings.Cut(f[queues], ":")
			number := func(text string, base int) uint64 { n, _ := strconv.ParseUint(text, base, 32); return n }
			all = append(all, tcpSocket{
				portOf(f[local]), portOf(f[remote]), byte(number(f[state], 16)),
				uint32(number(f[uid], 10)), uint32(number(f[inode], 10)), int(number(received, 16)),
			})
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

// lookForTCP looks for a socket in the kernel's table; nil where it isn't there.
func lookForTCP(local, remote int) (*tcpSocket, error) {
	for look := 1; ; look++ {
		table, err := tcpText()
		for _, s := range table {
			if s.local == local && s.remote == remote {
				return &s, err
			}
		}
		if err != nil || look == tableLooks {
			return nil, err
		}
		time.Sleep(lookPause)
	}
}

// holds reports whether one of some processes, or one that they have started, has the socket.
func holds(inode uint32, pids ...int) bool {
	return sockets(pids)[inode] || sockets(Processes(pids...))[inode]
}
