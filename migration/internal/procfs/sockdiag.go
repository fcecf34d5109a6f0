package procfs

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// inodeOf asks the kernel for one TCP socket of this host, by its two ends as itself sees
// them (sock_diag(7)), and returns its inode: closedInode where no process has it any more,
// "" where there is no such socket. It costs microseconds, where /proc/net/tcp makes the
// kernel walk its whole table.
func inodeOf(local, remote netip.AddrPort) (inode string, err error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // nothing is written that a close could lose
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request},
		Data:   diagRequest(local, remote),
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case len(replies) != 1 || len(replies[0].Data) < diagReplySize:
		return "", errShortDiag
	case replies[0].Data[diagState] == listens: // the kernel's answer where nobody is connected
		return "", nil
	}
	return strconv.FormatUint(uint64(binary.NativeEndian.Uint32(replies[0].Data[diagInode:])), 10), nil
}

var errShortDiag = errors.New("the kernel's reply about a socket is not as in linux/inet_diag.h")

// struct inet_diag_msg of linux/inet_diag.h: its size, and where state and inode are.
const (
	diagReplySize = 72
	diagState     = 1
	diagInode     = 68
)

// listens is TCP_LISTEN of linux/tcp_states.h.
const listens = 10

// diagRequest is a struct inet_diag_req_v2 of linux/inet_diag.h: family, protocol, states,
// and both ends in network byte order, on any interface, with any cookie.
func diagRequest(local, remote netip.AddrPort) []byte {
	family := byte(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	request := []byte{family, unix.IPPROTO_TCP, 0, 0}
	request = binary.NativeEndian.AppendUint32(request, ^uint32(0))
	request = binary.BigEndian.AppendUint16(request, local.Port())
	request = binary.BigEndian.AppendUint16(request, remote.Port())
	for _, end := range []netip.AddrPort{local, remote} {
		var address [16]byte
		copy(address[:], end.Addr().AsSlice())
		request = append(request, address[:]...)
	}
	request = binary.NativeEndian.AppendUint32(request, 0)
	return binary.NativeEndian.AppendUint64(request, ^uint64(0))
}
