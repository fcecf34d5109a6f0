//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

func TestNumbersThatAreNotRandomAreNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	a, b := strings.Repeat("random bytes, as", 2), strings.Repeat("they may well be", 2)
	from := io.MultiReader(strings.NewReader(a+b), bytes.NewReader(make([]byte, rngBytes)), strings.NewReader(a))
	inBackground(t, func() {
		var n numbers
		for range 5 {
			n.next(from, w)
		}
	})
	require.Equal(t, []string{
		"the random number generator: expected random bytes, found 32 bytes 0x00",
		"the random number generator: expected other bytes than before, found 72616e646f6d2062797465732c20617372616e646f6d2062797465732c206173 again, as 2 reads ago",
		"the random number generator: expected 32 bytes, found EOF",
	}, complaints(t, r, 3))
}

// aSerial is a port at whose other end what comes is sent back, changed.
func aSerial(t *testing.T, w *Witness, change func(line string) string) *serial {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	go func() {
		var held string
		buf := make([]byte, 4096)
		for {
			n, err := there.Read(buf)
			if err != nil {
				return
			}
			if held += string(buf[:n]); strings.HasSuffix(held, "\n") {
				_, _ = io.WriteString(there, change(held))
				held = ""
			}
		}
	}()
	return &serial{port: here, w: w}
}

func TestLinesOfTheSerialPortAreEchoed(t *testing.T) {
	w, _ := aWitness(t, nil)
	s := aSerial(t, w, func(line string) string { return "half a line of before\n" + line })
	for range 3 {
		require.True(t, s.exchange())
	}
	require.Equal(t, map[string]uint64{"sent": 3, "echoed": 3, "damaged": 0}, w.counts)
}

func TestLinesOfTheSerialPortAreLostOrLateOrDamaged(t *testing.T) {
	t.Parallel()
	w, _ := aWitness(t, nil)
	var kept string
	number := 0
	s := aSerial(t, w, func(line string) string {
		switch number++; number {
		case 1:
			kept = line
			return ""
		case 2:
			return kept + line
		}
		return strings.Replace(line, "Text", "Tuxt", 1) + line
	})
	require.False(t, s.exchange())
	require.True(t, s.exchange())
	require.True(t, s.exchange())
	require.Equal(t, map[string]uint64{"sent": 3, "echoed": 2, "lost": 1, "late": 1, "damaged": 1}, w.counts)
}

func TestLinesThatWereNeverSentAreNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	s := &serial{w: w, last: 5}
	inBackground(t, func() {
		for _, l := range []struct {
			n    uint64
			text string
		}{{6, s.text(6)}, {4, "other"}} {
			line, err := wire.New(l.n, 0, serialVerb, serialLine{l.text})
			if err == nil {
				s.take(line)
			}
		}
	})
	texts := complaints(t, r, 2)
	require.Equal(t, `the serial port: expected the echo of line 5, found line 6, "echo"`, texts[0])
	require.Equal(t, "the serial port: line 4: expected "+s.text(4)+", found other", texts[1])
}
