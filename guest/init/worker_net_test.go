//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// complaints are the texts of the first that come.
func complaints(t *testing.T, r io.Reader, n int) (texts []string) {
	t.Helper()
	for _, l := range heard(t, r, func(all []wire.Line) bool { return len(all) >= n })[:n] {
		var c wire.Complaint
		require.NoError(t, l.Into(&c))
		texts = append(texts, c.Text)
	}
	return texts
}

// echoing are a connection and datagrams at whose other end is somebody who echoes.
func echoing(t *testing.T) (stream, datagrams net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(buf[:n], from)
		}
	}()
	t.Cleanup(func() { _, _ = l.Close(), u.Close() })
	stream, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	datagrams, err = net.Dial("udp", u.LocalAddr().String())
	require.NoError(t, err)
	return stream, datagrams
}

func TestARoundOfTheNetHasAnEchoOfBoth(t *testing.T) {
	for _, rate := range []string{"0", "500"} {
		w, r := aWitness(t, map[string]string{"net-rate": rate})
		stream, datagrams := echoing(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); talkOver(ctx, stream, datagrams, &use{}, w) }()
		heard(t, r, func(all []wire.Line) bool { return len(all) > 0 })
		w.ask(7)
		c, ok := last[wire.Counts](t, heard(t, r, func(all []wire.Line) bool { return len(all) > 0 }), wire.SaysCounts)
		require.True(t, ok)
		require.GreaterOrEqual(t, c.Counts["tcp-verified"], uint64(3*netRecord))
		require.GreaterOrEqual(t, c.Counts["udp-verified"], uint64(3))
		require.Zero(t, c.Counts["udp-lost"]+c.Counts["udp-doubled"]+c.Counts["complaints"])
		stop()
		<-ended
	}
}

func TestEveryByteOfTheConnectionThatChangesIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	here, there := net.Pipe()
	go newNetStream(here, &use{}, w, newRounds(2, w)).receive(t.Context())
	go func() {
		record := make([]byte, netRecord)
		for n := range uint64(4) {
			fillRecord(record, n)
			switch n {
			case 1:
				record[1023] ^= 1
			case 2:
				fillRecord(record, 9)
			}
			_, _ = there.Write(record)
		}
		_ = there.Close()
	}()
	texts := complaints(t, r, 3)
	require.Regexp(t, `^TCP: byte 2047 of the connection is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}, in record 1, whose number came as 1$`, texts[0])
	require.Equal(t, "TCP: byte 2048 of the connection is wrong: expected 0x02, found 0x09, in record 2, whose number came as 9", texts[1])
	require.Equal(t, "TCP: byte 4096 of the connection: expected the echo of what was sent, found EOF", texts[2])
}

func TestADeadConnectionIsNoticedWhereItIsWritten(t *testing.T) {
	w, r := aWitness(t, nil)
	here, there := net.Pipe()
	_ = there.Close()
	go newNetStream(here, &use{}, w, nil).send(t.Context(), 0)
	require.Contains(t, complaints(t, r, 1)[0], "TCP: sending byte 0 of the connection: expected no error, found ")
}

// TestFewRecordsAreSentThatNobodyEchoes: a peer that takes all and sends nothing back, as one
// whose window is closed, is not sent more than it has room for.
func TestFewRecordsAreSentThatNobodyEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Witness{name: "tested", talk: newTalk(io.Discard), counts: map[string]uint64{}}
		here, there := net.Pipe()
		s := newNetStream(here, &use{}, w, newRounds(1, w))
		ctx, stop := context.WithCancel(t.Context())
		go s.send(ctx, 0)
		go s.receive(ctx)
		came := make([]byte, 2*netUnechoed*netRecord)
		for _, want := range []int{netUnechoed * netRecord, netRecord} {
			n := 0
			for n < want {
				more, err := there.Read(came[n:])
				require.NoError(t, err)
				n += more
			}
			synctest.Wait()
			require.NoError(t, there.SetReadDeadline(time.Now().Add(time.Second)))
			_, err := there.Read(came[n:])
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, there.SetReadDeadline(time.Time{}))
			_, err = there.Write(came[:netRecord]) // the next may be sent
			require.NoError(t, err)
		}
		stop()
		_ = here.Close()
	})
}

// someGrams are datagrams of which that many were sent at a time.
func someGrams(w *Witness, n int, at time.Time) *netGrams {
	g := &netGrams{device: &use{}, w: w, rounds: newRounds(2, w), waiting: map[uint64]time.Time{}, gone: map[uint64]bool{}}
	for range n {
		g.next(at)
	}
	return g
}

func TestWhatIsWrongWithADatagramIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	g := someGrams(w, 3, time.Now())
	buf := make([]byte, netLongest)
	gram := func(n uint64, change func([]byte) []byte) []byte {
		return change(append([]byte(nil), fillGram(buf, n)...))
	}
	go func() {
		for _, found := range [][]byte{
			gram(1, func(b []byte) []byte { b[len(b)-5] ^= 0x80; return b }),
			gram(2, func(b []byte) []byte { return b[:netShortest-1] }),
			gram(2, func(b []byte) []byte { return append(b, 0) }),
			gram(4, func(b []byte) []byte { return b }),
			gram(3, func(b []byte) []byte { b[7] = 1; return b }),
		} {
			g.take(found, buf, time.Now())
		}
	}()
	for i, text := range complaints(t, r, 5) {
		require.Regexp(t, []string{
			`^UDP: byte \d+ of datagram 1 is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}$`,
			`^UDP: a datagram came with 31 bytes, expected 32 at least$`,
			`^UDP: datagram 2 came with \d+ bytes, expected \d+$`,
			`^UDP: datagram 4 came: expected a number of those that were sent, 1 to 3$`,
			`^UDP: datagram 72057594037927939 came: `,
		}[i], text)
	}
}

func TestDatagramsAreLostOrLateOrComeTwice(t *testing.T) {
	w, _ := aWitness(t, nil)
	began := time.Now()
	g := someGrams(w, netInFlight, began)
	_, ok := g.next(began)
	require.False(t, ok, "so many may be waited for")
	buf := make([]byte, netLongest)
	gram := func(n uint64) []byte { return append([]byte(nil), fillGram(buf, n)...) }
	g.take(gram(1), buf, began)
	g.take(gram(1), buf, began)
	g.take(gram(2), buf, began.Add(netLate+1))
	require.Equal(t, uint64(1), w.counts["udp-doubled"])
	require.Equal(t, uint64(1), w.counts["udp-late"])
	_, ok = g.next(began.Add(netLost + 1))
	require.True(t, ok)
	require.Equal(t, uint64(netInFlight-2), w.counts["udp-lost"])
	g.take(gram(3), buf, began.Add(netLost+2))
	require.Equal(t, uint64(2), w.counts["udp-late"], "it came after all")
	require.Equal(t, uint64(1), w.counts["udp-doubled"])
}

func TestANetworkDeviceThatIsNotThereIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which takes its time
		_, err := configureNet("52:54:00:00:00:00", [4]byte{10, 77, 0, 2})
		require.ErrorContains(t, err, "52:54:00:00:00:00")
	})
}
