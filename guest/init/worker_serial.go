//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// serialWorker sends lines through a virtio-serial port of its own at whose other end they are
// echoed. A round is over when an echo has come. At the switchover a line or its echo may be
// lost, or a part of one: QEMU takes no bytes along that are in its chardev.
type serialWorker struct{}

func (serialWorker) Name() string { return "serial" }

const (
	serialPort  = "drover.echo" // package guest has the same
	serialEvery = 25 * time.Millisecond
	serialLost  = time.Second // after which an echo is taken for lost
	serialVerb  = wire.Verb("echo")
)

// A serialLine is what is in a line.
type serialLine struct{ Text string }

func (serialWorker) Run(ctx context.Context, w *Witness) error {
	path, err := awaitPort(serialPort)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	s := &serial{port: f, w: w, last: uint64(monotonic())} // another number than before it was told to rest
	device := w.Uses("virtserialport", deviceOf("/sys/class/virtio-ports/"+filepath.Base(path)))
	defer w.NotUsed(device)
	for ctx.Err() == nil {
		device.Ask()
		if s.exchange() {
			device.Serve()
			w.Round()
		}
		time.Sleep(serialEvery)
	}
	return nil
}

// A deadlinePort is a port whose reads can be bounded.
type deadlinePort interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
}

type serial struct {
	port deadlinePort
	w    *Witness
	last uint64
	rest []byte
}

// text is what is in the line of that number.
func (s *serial) text(n uint64) string {
	var b strings.Builder
	for i := range 8 + int(n%24) {
		fmt.Fprintf(&b, "%016x", word(seed(int(n), 3), i))
	}
	return b.String()
}

// exchange sends a line, and says whether its echo came.
func (s *serial) exchange() bool {
	s.last++
	line, err := wire.New(s.last, 0, serialVerb, serialLine{s.text(s.last)})
	if err != nil {
		return false
	}
	for out := line.Append(nil); len(out) > 0; {
		n, err := s.port.Write(out)
		if err != nil {
			s.w.Complain("the serial port: sending line %d: expected no error, found %v", s.last, err)
			return false
		}
		out = out[n:]
	}
	s.w.Add("sent", 1)
	until := time.Now().Add(serialLost)
	_ = s.port.SetReadDeadline(until)
	buf := make([]byte, 4096)
	for {
		n, err := s.port.Read(buf)
		lines, damaged, rest := wire.Cut(append(s.rest, buf[:n]...))
		s.rest = append([]byte(nil), rest...)
		s.w.Add("damaged", uint64(damaged))
		came := false
		for _, l := range lines {
			came = s.take(l) || came
		}
		if came {
			return true
		}
		switch {
		case n > 0 && time.Now().Before(until):
		case n == 0 && errors.Is(err, io.EOF) && time.Now().Before(until):
			time.Sleep(time.Millisecond) // the other end isn't there
		default:
			s.w.Add("lost", 1)
			return false
		}
	}
}

// take takes a line that came back, and says whether it is the last that was sent.
func (s *serial) take(l wire.Line) bool {
	var body serialLine
	err := l.Into(&body)
	switch {
	case l.Verb != serialVerb || err != nil || l.Sequence > s.last:
		s.w.Complain("the serial port: expected the echo of line %d, found line %d, %q", s.last, l.Sequence, l.Verb)
	case body.Text != s.text(l.Sequence):
		s.w.Complain("the serial port: line %d: expected %s, found %s", l.Sequence, s.text(l.Sequence), body.Text)
	case l.Sequence < s.last:
		s.w.Add("late", 1)
	default:
		s.w.Add("echoed", 1)
		return true
	}
	return false
}
