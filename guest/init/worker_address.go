//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// addressWorker has the guest's network device let in frames to a further address, as a bridge or a
// macvlan has, and asks drover's host (ARP) from that address and then from the device's own. Where
// only the second answer comes, again and again, the device no longer lets the first one in. A
// round is over when the first has come, or is known not to.
type addressWorker struct{}

func (addressWorker) Name() string { return "address" }

const (
	addressFurther = "52:54:00:d7:01:02"
	addressEvery   = 25 * time.Millisecond
	addressAnswer  = time.Second // that an answer may take; then both are asked for again
	addressLost    = 8           // answers in a row are more than may be lost on their way
)

// The kernel's interface: packet sockets, and what frames and ARP messages have in them.
const (
	packetUnicast = 3 // PACKET_MR_UNICAST
	frameARP      = 0x0806
	frameHead     = 14
	arpSize       = 28
)

// An asker is a station that asks who has the address of drover's host.
type asker struct {
	mac net.HardwareAddr
	ip  [4]byte
}

func (addressWorker) Run(ctx context.Context, w *Witness) error {
	names := w.Devices("address")
	if len(names) != 1 {
		return fmt.Errorf("expected one network device, found %q", names)
	}
	device, err := awaitNet(netMAC, net.FlagUp) // the worker net brings it up
	if err != nil {
		return err
	}
	further, err := net.ParseMAC(addressFurther)
	if err != nil {
		return err
	}
	frames, err := openFrames(device.Index, further)
	if err != nil {
		return fmt.Errorf("%s: %w", device.Name, err)
	}
	defer frames.Close()
	if flags := readWord("/sys/class/net/"+device.Name, "flags"); promiscuous(flags) {
		return fmt.Errorf("expected the driver to have %s let in one more address, found that it lets in all", names[0])
	}
	a := &addresses{
		frames: frames, device: names[0], w: w,
		further: asker{further, [4]byte{10, 77, 0, 3}}, own: asker{device.HardwareAddr, [4]byte{10, 77, 0, 2}},
	}
	for ctx.Err() == nil {
		known, err := a.exchange()
		if err != nil {
			return err
		}
		if known {
			w.Round()
		}
		rest(ctx, addressEvery)
	}
	return nil
}

// openFrames opens a network device for ARP's frames, and has it let in those to an address as long
// as that is open.
func openFrames(device int, address net.HardwareAddr) (*os.File, error) {
	arp := uint16(frameARP>>8 | frameARP&0xff<<8) // the byte order is the network's, which no guest's is but s390x's
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		arp = frameARP
	}
	s, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, int(arp))
	if err != nil {
		return nil, err
	}
	frames := os.NewFile(uintptr(s), "frames")
	if err := syscall.Bind(s, &syscall.SockaddrLinklayer{Protocol: arp, Ifindex: device}); err != nil {
		return nil, errors.Join(err, frames.Close())
	}
	// struct packet_mreq: the device, what it is to do, an address and its length.
	member := binary.NativeEndian.AppendUint32(nil, uint32(device))
	member = binary.NativeEndian.AppendUint16(member, packetUnicast)
	member = binary.NativeEndian.AppendUint16(member, uint16(len(address)))
	member = append(append(member, address...), 0, 0)
	if err := syscall.SetsockoptString(s, syscall.SOL_PACKET, syscall.PACKET_ADD_MEMBERSHIP, string(member)); err != nil {
		return nil, errors.Join(err, frames.Close())
	}
	return frames, nil
}

// promiscuous says whether a device with these flags, in hexadecimal digits, lets in all frames.
func promiscuous(flags string) bool {
	var value uint32
	_, err := fmt.Sscanf(flags, "0x%x", &value)
	return err == nil && value&syscall.IFF_PROMISC != 0
}

// question is the frame in which a station asks.
func (a asker) question() []byte {
	frame := append(bytes.Repeat([]byte{0xff}, 6), a.mac...)
	frame = binary.BigEndian.AppendUint16(frame, frameARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 1) // an ethernet's, for IPv4: a question
	frame = append(append(frame, a.mac...), a.ip[:]...)
	return append(frame, 0, 0, 0, 0, 0, 0, 10, 77, 0, 1)
}

// answered says whether a frame is the answer to it.
func (a asker) answered(frame []byte) bool {
	return len(frame) >= frameHead+arpSize && bytes.Equal(frame[:6], a.mac) && frame[frameHead+7] == 2 &&
		bytes.Equal(frame[frameHead+14:frameHead+18], []byte{10, 77, 0, 1})
}

// addresses are those that the device is to let in.
type addresses struct {
	frames       deadlinePort
	device       string
	w            *Witness
	further, own asker
	lost         int // answers to the further one, in a row
}

// exchange asks from both, and says whether it is known now whether the further address is let in.
// The error is that nothing can be asked.
func (a *addresses) exchange() (known bool, err error) {
	for _, from := range []asker{a.further, a.own} {
		if _, err := a.frames.Write(from.question()); err != nil {
			return false, fmt.Errorf("%s: asking from %s: expected no error, found %w", a.device, from.mac, err)
		}
	}
	if err := a.frames.SetReadDeadline(time.Now().Add(addressAnswer)); err != nil {
		return false, err
	}
	came := false
	for frame := make([]byte, 2048); ; {
		n, err := a.frames.Read(frame)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // of which the device's addresses are not to blame
			return false, nil
		case err != nil:
			return false, fmt.Errorf("%s: expected an answer to %s, found %w", a.device, a.own.mac, err)
		case a.further.answered(frame[:n]):
			came = true
		case a.own.answered(frame[:n]):
			return a.count(came), nil
		}
	}
}

// count counts an answer to the device's own address, before which one to the further address came
// or did not.
func (a *addresses) count(came bool) (known bool) {
	if came {
		a.lost = 0
		a.w.Add("answers", 1)
		return true
	}
	if a.lost++; a.lost == addressLost {
		a.w.Complain("%s no longer lets in frames to its further address %s: expected an answer before the one to its own, %s, found none %d times in a row",
			a.device, a.further.mac, a.own.mac, a.lost)
	}
	return a.lost >= addressLost
}
