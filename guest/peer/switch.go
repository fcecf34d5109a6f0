package peer

import (
	"encoding/binary"
	"io"
	"maps"
	"net"
	"sync"
)

// maxFrame bounds a frame: none of a network with an MTU of 1500 is longer, a VLAN's tag included.
const maxFrame = 1 << 16

// A netSwitch passes frames on between QEMUs and a host. Each is sent with its length before it,
// as "-netdev stream" does.
type netSwitch struct {
	listener net.Listener
	mu       sync.Mutex
	ports    map[*port]bool
	places   map[address]*port // where the last frame from there came from
	over     bool
}

// An address is a MAC address.
type address [6]byte

// mostAddresses bounds how many addresses are known: a guest has one for each device.
const mostAddresses = 64

// headerSize is what an ethernet frame has at least: where it goes, where it comes from, its type.
const headerSize = 14

// A port is one QEMU's.
type port struct {
	conn   net.Conn
	frames chan []byte // for it
}

func listenSwitch(path string) (*netSwitch, error) {
	l, err := net.Listen("unix", path)
	return &netSwitch{listener: l, ports: map[*port]bool{}, places: map[address]*port{}}, err
}

// serve takes QEMUs until the switch is closed, and returns when all their ports are. Receive
// gets each frame, one at a time from each port.
func (s *netSwitch) serve(receive func(frame []byte)) {
	var ports sync.WaitGroup
	defer ports.Wait()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		p := &port{conn: c, frames: make(chan []byte, queue)}
		if !s.add(p) {
			_ = c.Close()
			return
		}
		ports.Go(p.write)
		ports.Go(func() { s.read(p, receive) })
	}
}

func (s *netSwitch) add(p *port) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports[p] = true
	return !s.over
}

func (s *netSwitch) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	_ = s.listener.Close()
	for p := range s.ports {
		_ = p.conn.Close()
	}
}

// read passes on what comes from a port, until that is closed.
func (s *netSwitch) read(p *port, receive func(frame []byte)) {
	defer s.remove(p)
	for {
		var head [4]byte
		if _, err := io.ReadFull(p.conn, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > maxFrame {
			return // whoever that is, it is no QEMU
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(p.conn, frame); err != nil {
			return
		}
		if n >= headerSize {
			s.learn(address(frame[6:12]), p)
			receive(frame)
		}
	}
}

// learn notes that an address is behind that port.
func (s *netSwitch) learn(from address, p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.places) >= mostAddresses {
		clear(s.places)
	}
	s.places[from] = p
}

func (s *netSwitch) remove(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = p.conn.Close()
	delete(s.ports, p)
	maps.DeleteFunc(s.places, func(_ address, at *port) bool { return at == p })
	close(p.frames)
}

// send sends a frame to where its address is, and to all where nobody has spoken from there.
func (s *netSwitch) send(frame []byte) {
	if len(frame) < headerSize {
		return
	}
	whole := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame))), frame...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[address(frame)]; p != nil {
		p.queue(whole)
		return
	}
	for p := range s.ports {
		p.queue(whole)
	}
}

// queue has a frame sent, or loses it where the QEMU doesn't take those that wait, for its guest
// is paused.
func (p *port) queue(frame []byte) {
	select {
	case p.frames <- frame:
	default:
	}
}

// write writes what is sent to the port, until it is closed.
func (p *port) write() {
	for frame := range p.frames {
		if _, err := p.conn.Write(frame); err != nil {
			_ = p.conn.Close() // which ends its reads, and they this
		}
	}
}
