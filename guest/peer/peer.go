package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// EchoPort is the TCP and UDP port on which what comes is sent back.
const EchoPort = 7

const (
	mtu   = 1500
	queue = 512 // frames that wait to be sent
	nic   = 1
	mac   = "\x52\x54\x00\xd7\x00\x01"
)

// A Peer is a host with one address that echoes. Its methods may be called at once.
type Peer struct {
	sw     *netSwitch
	link   *channel.Endpoint
	stack  *stack.Stack
	closed context.CancelFunc
	ends   sync.WaitGroup
	closer []io.Closer
}

// Listen makes a host with that IPv4 address in a network of 24 bits, and has QEMUs connect to
// its switch at a UNIX socket of that path, which must not be there yet.
func Listen(path string, address [4]byte) (*Peer, error) {
	sw, err := listenSwitch(path)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Peer{
		sw: sw, closed: cancel,
		link: channel.New(queue, mtu, tcpip.LinkAddress(mac)),
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
		}),
	}
	if err := p.bringUp(tcpip.AddrFrom4(address)); err != nil {
		p.Close()
		return nil, fmt.Errorf("peer: %w", err)
	}
	p.ends.Go(func() { p.sw.serve(p.receive) })
	p.ends.Go(func() { p.send(ctx) })
	return p, nil
}

// bringUp gives the host its address and services.
func (p *Peer) bringUp(address tcpip.Address) error {
	if err := p.stack.CreateNIC(nic, ethernet.New(p.link)); err != nil {
		return errors.New(err.String())
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: 24}}
	if err := p.stack.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		return errors.New(err.String())
	}
	p.stack.SetRouteTable([]tcpip.Route{{Destination: own.AddressWithPrefix.Subnet(), NIC: nic}})
	at := tcpip.FullAddress{NIC: nic, Addr: address, Port: EchoPort}
	datagrams, err := gonet.DialUDP(p.stack, &at, nil, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	p.closer = append(p.closer, datagrams)
	p.ends.Go(func() { echoDatagrams(datagrams) })
	streams, err := gonet.ListenTCP(p.stack, at, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	p.closer = append(p.closer, streams)
	p.ends.Go(func() { p.echoStreams(streams) })
	return nil
}

// Close disconnects all, and returns when nothing of the host runs any longer.
func (p *Peer) Close() {
	p.sw.close()
	p.closed()
	for _, c := range p.closer {
		_ = c.Close()
	}
	p.stack.Destroy() // which ends the connections' reads
	p.link.Close()
	p.ends.Wait()
}

// receive takes a frame that came from a guest.
func (p *Peer) receive(frame []byte) {
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer packet.DecRef()
	p.link.InjectInbound(0, packet)
}

// send sends what the stack sends.
func (p *Peer) send(ctx context.Context) {
	for {
		packet := p.link.ReadContext(ctx)
		if packet == nil {
			return
		}
		view := packet.ToView()
		p.sw.send(view.AsSlice())
		view.Release()
		packet.DecRef()
	}
}

func echoDatagrams(c net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(buf[:n], from)
	}
}

func (p *Peer) echoStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.ends.Go(func() {
			defer c.Close()
			_, _ = io.Copy(onlyWriter{c}, c)
		})
	}
}

// An onlyWriter has no ReadFrom, which io.Copy would use.
type onlyWriter struct{ io.Writer }
