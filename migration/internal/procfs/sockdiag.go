package procfs

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// askKernel asks for TCP sockets of this host (sock_diag(7)). It costs a fifth of what
// /proc/net/tcp costs, which makes the kernel walk its whole table with care, and next to
// nothing for listeners or for one socket.
func askKernel(flags netlink.HeaderFlags, requests ...[]byte) (found []tcpSocket, err error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is written that a close could lose
	for _, request := range requests {
		replies, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | flags},
			Data:   request,
		})
		if err != nil {
			return nil, err
		}
		for _, r := range replies {
			if len(r.Data) < diagReplySize {
				return nil, errShortDiag
			}
			found = append(found, tcpSocket{
				local:  int(binary.BigEndian.Uint16(r.Data[diagSource:])),
				remote: int(binary.BigEndian.Uint16(r.Data[diagTarget:])),
				state:  r.Data[diagState],
				queued: int(binary.NativeEndian.Uint32(r.Data[diagQueue:])),
				uid:    binary.NativeEndian.Uint32(r.Data[diagUID:]),
				inode:  binary.NativeEndian.Uint32(r.Data[diagInode:]),
			})
		}
	}
	return found, nil
}

// dumpTCP asks for all that are in one of some states, each 1<<state.
func dumpTCP(states uint32) ([]tcpSocket, error) {
	return askKernel(netlink.Dump,
		diagRequest(unix.AF_INET, states, netip.AddrPort{}, netip.AddrPort{}),
		diagRequest(unix.AF_INET6, states, netip.AddrPort{}, netip.AddrPort{}))
}

// oneTCP asks for one by its two ends as itself sees them; nil where there is no such socket.
func oneTCP(local, remote netip.AddrPort) (*tcpSocket, error) {
	family := byte(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	found, err := askKernel(0, diagRequest(family, anyState, local, remote))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(found) != 1:
		return nil, errShortDiag
	case found[0].state == listening: // the kernel's answer where nobody is connected
		return nil, nil
	}
	return &found[0], nil
}

var errShortDiag = errors.New("the kernel's reply about a socket is not as in linux/inet_diag.h")

// struct inet_diag_msg of linux/inet_diag.h: its size, and where its fields are. Its ports are
// in network byte order.
const (
	diagReplySize = 72
	diagState     = 1
	diagSource    = 4
	diagTarget    = 6
	diagQueue     = 56
	diagUID       = 64
	diagInode     = 68
)

const anyState = ^uint32(0)

// diagRequest is a struct inet_diag_req_v2 of linux/inet_diag.h: family, protocol, states,
// and both ends in network byte order, on any interface, with any cookie.
func diagRequest(family byte, states uint32, local, remote netip.AddrPort) []byte {
	request := []byte{family, unix.IPPROTO_TCP, 0, 0}
	request = binary.NativeEndian.AppendUint32(request, states)
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
