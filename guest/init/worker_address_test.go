//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A lan is a network of which each address may be let in or not.
type lan struct {
	answers map[string]bool // to whom
	noise   []byte          // that comes before each answer
	frames  [][]byte
	broken  error
}

func (l *lan) SetReadDeadline(time.Time) error { return nil }

func (l *lan) Write(frame []byte) (int, error) {
	mac := frame[6:12]
	if l.noise != nil {
		l.frames = append(l.frames, l.noise)
	}
	if l.answers[net.HardwareAddr(mac).String()] {
		answer := bytes.Clone(frame)
		copy(answer, mac)
		answer[frameHead+7] = 2
		copy(answer[frameHead+8:], "\x52\x54\x00\xd7\x00\x01\x0a\x4d\x00\x01")
		l.frames = append(l.frames, answer)
	}
	return len(frame), nil
}

func (l *lan) Read(p []byte) (int, error) {
	if len(l.frames) == 0 {
		return 0, l.broken
	}
	n := copy(p, l.frames[0])
	l.frames = l.frames[1:]
	return n, nil
}

const addressOwn = "52:54:00:d7:01:01"

func addressesOn(t *testing.T, l *lan, w *Witness) *addresses {
	t.Helper()
	station := func(mac string, last byte) asker {
		address, err := net.ParseMAC(mac)
		require.NoError(t, err)
		return asker{address, [4]byte{10, 77, 0, last}}
	}
	return &addresses{frames: l, device: "virtio-net", w: w, further: station(addressFurther, 3), own: station(addressOwn, 2)}
}

func TestAnAddressThatIsNoLongerLetInIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	both := map[string]bool{addressFurther: true, addressOwn: true}
	l := &lan{broken: os.ErrDeadlineExceeded, answers: both}
	a := addressesOn(t, l, w)
	exchange := func(n int, known bool) {
		for range n {
			found, err := a.exchange()
			require.NoError(t, err)
			require.Equal(t, known, found)
		}
	}
	exchange(3, true)
	l.answers = map[string]bool{addressOwn: true}
	exchange(addressLost-1, false) // as may be
	l.answers, l.noise = both, a.further.question()
	exchange(1, true)
	l.answers = nil
	exchange(2*addressLost, false)
	l.answers = map[string]bool{addressOwn: true}
	exchange(addressLost-1, false)
	exchange(addressLost, true)
	require.Equal(t, []string{
		"virtio-net no longer lets in frames to its further address 52:54:00:d7:01:02: expected an answer before the one to its own, 52:54:00:d7:01:01, found none 8 times in a row",
	}, complaints(t, r, 1))
	require.EqualValues(t, 4, w.counts["answers"])
	l.answers, l.broken = nil, io.ErrUnexpectedEOF
	_, err := a.exchange()
	require.ErrorContains(t, err, "virtio-net: expected an answer to 52:54:00:d7:01:01, found unexpected EOF")
}

func TestADeviceThatLetsInAllIsKnownByItsFlags(t *testing.T) {
	for flags, want := range map[string]bool{"0x1003": false, "0x1103": true, "0x100": true, "": false} {
		require.Equal(t, want, promiscuous(flags), flags)
	}
}
