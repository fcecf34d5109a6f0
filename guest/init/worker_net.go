//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"sync"
	"time"
)

// netWorker talks to a host that echoes, over a TCP connection that stays open and with UDP
// datagrams, all numbered and with checksums. A round is over when an echo of each has come that
// was sent since the last. Datagrams may be lost, and are counted; a byte of the connection may
// not.
//
// The option net-rate is how many records, and datagrams, are sent a second, 0 for as many as
// can be.
type netWorker struct{}

func (netWorker) Name() string { return "net" }

// What drover connects the guest to: package guest has the same.
const (
	netMAC  = "52:54:00:d7:01:01"
	netPeer = "10.77.0.1:7"
)

const (
	netRate     = 50
	netRecord   = 1024             // bytes of the connection
	netUnechoed = 32               // records that are waited for at once
	netLost     = 2 * time.Second  // after which a datagram's echo doesn't come any more
	netLate     = time.Second      // after which it's late
	netInFlight = 16               // datagrams that are waited for at once
	netDialed   = 10 * time.Second // that a connection may take
	netShortest = 32               // bytes of a datagram
	netLongest  = 1400
	netHead     = 8 // bytes of its number
	netCheck    = 4 // and of its checksum
)

func (netWorker) Run(ctx context.Context, w *Witness) error {
	names := w.Devices("net")
	if len(names) != 1 {
		return fmt.Errorf("expected one network device, found %q", names)
	}
	name, err := configureNet(netMAC, [4]byte{10, 77, 0, 2})
	if err != nil {
		return err
	}
	stream, err := net.DialTimeout("tcp", netPeer, netDialed)
	if err != nil {
		return fmt.Errorf("TCP: expected a connection to %s, found %w", netPeer, err)
	}
	datagrams, err := net.Dial("udp", netPeer)
	if err != nil {
		_ = stream.Close()
		return err
	}
	device := w.Uses(names[0], deviceOf("/sys/class/net/"+name))
	defer w.NotUsed(device)
	talkOver(ctx, stream, datagrams, device, w)
	return nil
}

// talkOver talks over a connection and with datagrams until ctx ends, and closes both.
func talkOver(ctx context.Context, stream, datagrams net.Conn, device *use, w *Witness) {
	rate := number(w.Option("net-rate"), netRate)
	rounds := newRounds(2, w)
	records := newNetStream(stream, device, w, rounds)
	grams := &netGrams{conn: datagrams, device: device, w: w, rounds: rounds, waiting: map[uint64]time.Time{}, gone: map[uint64]bool{}}
	var all sync.WaitGroup
	for _, do := range []func(){
		func() { records.send(ctx, rate) }, func() { records.receive(ctx) },
		func() { grams.send(ctx, rate) }, func() { grams.receive(ctx) },
	} {
		all.Go(do)
	}
	<-ctx.Done()
	_ = errors.Join(stream.Close(), datagrams.Close())
	all.Wait()
}

// wait waits between two of so many a second.
func wait(rate int) {
	if rate > 0 {
		time.Sleep(time.Second / time.Duration(rate))
	}
}

// A netStream is the connection. Its records follow from their number. Those that are not echoed
// yet are so few that no window of either side closes: where both have, and a segment is lost,
// the peer's TCP takes no acknowledgement any more, and neither side ever sends again.
type netStream struct {
	conn     net.Conn
	device   *use
	w        *Witness
	rounds   *rounds
	unechoed chan struct{} // has one for each record that was sent and has not come back
}

func newNetStream(conn net.Conn, device *use, w *Witness, r *rounds) *netStream {
	return &netStream{conn: conn, device: device, w: w, rounds: r, unechoed: make(chan struct{}, netUnechoed)}
}

func fillRecord(record []byte, n uint64) {
	s := seed(int(n), 1)
	for i := range len(record) / 8 {
		binary.LittleEndian.PutUint64(record[8*i:], word(s, i))
	}
	binary.LittleEndian.PutUint64(record, n)
}

func (s *netStream) send(ctx context.Context, rate int) {
	record := make([]byte, netRecord)
	for n := uint64(0); ; n++ {
		select {
		case s.unechoed <- struct{}{}:
		case <-ctx.Done():
			return
		}
		fillRecord(record, n)
		s.device.Ask()
		if _, err := s.conn.Write(record); err != nil {
			if ctx.Err() == nil {
				s.w.Complain("TCP: sending byte %d of the connection: expected no error, found %v", n*netRecord, err)
			}
			return
		}
		wait(rate)
	}
}

func (s *netStream) receive(ctx context.Context) {
	found, want := make([]byte, netRecord), make([]byte, netRecord)
	for n := uint64(0); ctx.Err() == nil; n++ {
		began := time.Now()
		if err := readFull(s.conn, found); err != nil {
			if ctx.Err() == nil {
				s.w.Complain("TCP: byte %d of the connection: expected the echo of what was sent, found %v", n*netRecord, err)
			}
			return
		}
		s.device.Serve()
		select {
		case <-s.unechoed:
		default: // what comes was never sent, as is said below
		}
		s.w.Max("longest-tcp-us", uint64(time.Since(began).Microseconds()))
		fillRecord(want, n)
		for i := range found {
			if found[i] != want[i] {
				s.w.Complain("TCP: byte %d of the connection is wrong: expected %#02x, found %#02x, in record %d, whose number came as %d",
					n*netRecord+uint64(i), want[i], found[i], n, binary.LittleEndian.Uint64(found))
				break
			}
		}
		s.w.Add("tcp-verified", netRecord)
		s.rounds.done("tcp")
	}
}

func readFull(c net.Conn, p []byte) error {
	for len(p) > 0 {
		n, err := c.Read(p)
		if p = p[n:]; err != nil {
			return err
		}
	}
	return nil
}

// netGrams are the datagrams.
type netGrams struct {
	conn   net.Conn
	device *use
	w      *Witness
	rounds *rounds

	mu      sync.Mutex
	last    uint64               // number that was sent
	waiting map[uint64]time.Time // those whose echo is still to come, and when they were sent
	gone    map[uint64]bool      // those that are taken for lost
}

// fillGram makes a datagram: its number, bytes that follow from it, and a checksum.
func fillGram(buf []byte, n uint64) []byte {
	s := seed(int(n), 2)
	gram := buf[:netShortest+int(s%(netLongest-netShortest+1))]
	binary.LittleEndian.PutUint64(gram, n)
	body := gram[netHead : len(gram)-netCheck]
	for i := range body {
		body[i] = byte(word(s, i/8) >> (8 * (i % 8)))
	}
	binary.LittleEndian.PutUint32(gram[len(gram)-netCheck:], crc32.ChecksumIEEE(gram[:len(gram)-netCheck]))
	return gram
}

func (g *netGrams) send(ctx context.Context, rate int) {
	buf := make([]byte, netLongest)
	for ctx.Err() == nil {
		if n, ok := g.next(time.Now()); ok {
			g.device.Ask()
			if _, err := g.conn.Write(fillGram(buf, n)); err != nil && ctx.Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				g.w.Complain("UDP: sending datagram %d: expected no error, found %v", n, err)
				return
			}
			g.w.Add("udp-sent", 1)
			wait(rate)
			continue
		}
		time.Sleep(time.Millisecond) // for one of them to come, or to be lost
	}
}

// next is the number of the next datagram, where not too many are waited for. Those that have
// been for too long are lost.
func (g *netGrams) next(now time.Time) (n uint64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, sent := range g.waiting {
		if now.Sub(sent) > netLost {
			delete(g.waiting, n)
			g.gone[n] = true
			g.w.Add("udp-lost", 1)
		}
	}
	if len(g.waiting) >= netInFlight {
		return 0, false
	}
	g.last++
	g.waiting[g.last] = now
	return g.last, true
}

func (g *netGrams) receive(ctx context.Context) {
	found, buf := make([]byte, 1<<16), make([]byte, netLongest)
	for ctx.Err() == nil {
		n, err := g.conn.Read(found)
		if err != nil {
			if ctx.Err() == nil {
				g.w.Complain("UDP: expected the echo of a datagram, found %v", err)
			}
			return
		}
		g.device.Serve()
		g.take(found[:n], buf, time.Now())
	}
}

// take takes what came as the echo of a datagram.
func (g *netGrams) take(found, buf []byte, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(found) < netShortest {
		g.w.Complain("UDP: a datagram came with %d bytes, expected %d at least", len(found), netShortest)
		return
	}
	n := binary.LittleEndian.Uint64(found)
	if n == 0 || n > g.last {
		g.w.Complain("UDP: datagram %d came: expected a number of those that were sent, 1 to %d", n, g.last)
		return
	}
	want := fillGram(buf, n)
	if len(found) != len(want) {
		g.w.Complain("UDP: datagram %d came with %d bytes, expected %d", n, len(found), len(want))
		return
	}
	for i := range found {
		if found[i] != want[i] {
			g.w.Complain("UDP: byte %d of datagram %d is wrong: expected %#02x, found %#02x", i, n, want[i], found[i])
			return
		}
	}
	sent, waited := g.waiting[n]
	delete(g.waiting, n)
	took := now.Sub(sent)
	switch {
	case waited && took > netLate, g.gone[n]:
		g.w.Add("udp-late", 1)
		delete(g.gone, n)
	case !waited:
		g.w.Add("udp-doubled", 1)
	}
	if waited {
		g.w.Max("longest-udp-us", uint64(took.Microseconds()))
	}
	g.w.Add("udp-verified", 1)
	g.rounds.done("udp")
}
