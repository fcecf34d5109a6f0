package migration_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qapi"

	guestwire "github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// failed says whether the worker's judge fails the counts that it has told last, as the tampering
// says. Where it doesn't it is asked again, once it has answered the question of that number.
func failed(ctx context.Context, p *migration.Pair, c linuxTampering, asked *uint64) (yes bool, err error) {
	counts := p.Linux().Workers()[c.worker].Counts.Counts
	for _, w := range record.Workers() {
		if w.Name == c.worker {
			outcome, witness := w.Judge(&record.Record{}, &record.WorkerFacts{Name: c.worker, After: counts})
			if outcome == record.Fail && regexp.MustCompile(c.failure).MatchString(witness) {
				return true, nil
			}
		}
	}
	if *asked == 0 || p.Linux().Reported(*asked, []string{c.worker}) {
		*asked, err = p.Tell(ctx, p.Destination, guestwire.Tell, "")
	}
	return false, err
}

// served serves whoever connects to a UNIX socket, until the test ends, and returns its path.
func served(t *testing.T, serve func(conn net.Conn)) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "drover")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	ended := make(chan struct{})
	conns := make(chan net.Conn, 16) // that are there
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				close(conns)
				return
			}
			conns <- conn
			go serve(conn) // ends with the connection
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for conn := range conns {
			_ = conn.Close()
		}
	})
	return path
}

// What an egd does.
const (
	egdRandom = iota
	egdZeros
	egdAgain // the same bytes
	egdSilent
)

// An egd is where the guest's random numbers come from: an entropy gathering daemon, whose clients
// send 2 and a number of bytes.
type egd struct {
	path string
	mode *atomic.Int32
}

func listenEGD(t *testing.T) egd {
	e := egd{mode: &atomic.Int32{}}
	e.path = served(t, func(conn net.Conn) {
		ask := make([]byte, 2)
		for {
			if _, err := io.ReadFull(conn, ask); err != nil {
				return
			}
			bytes := make([]byte, ask[1])
			switch e.mode.Load() {
			case egdRandom:
				_, _ = rand.Read(bytes)
			case egdAgain:
				for i := range bytes {
					bytes[i] = byte(3 * i)
				}
			case egdSilent:
				continue
			}
			if _, err := conn.Write(bytes); err != nil {
				return
			}
		}
	})
	return e
}

// args are a QEMU's options for it to be in the place of its own random numbers.
func (e egd) args() []string {
	return []string{"-chardev", "socket,id=egd,path=" + e.path, "-object", "rng-egd,id=egd-rng,chardev=egd", "-set", "device.guest-rng-device.rng=egd-rng"}
}

func (e egd) does(mode int32) func(context.Context, *migration.Pair) error {
	return func(context.Context, *migration.Pair) error {
		e.mode.Store(mode)
		return nil
	}
}

func (e egd) tamperings() []linuxTampering {
	return []linuxTampering{
		{what: "random numbers are zeros", worker: "rng", fault: e.does(egdZeros), complaints: []string{`^the random number generator: expected random bytes, found 32 bytes 0x00` + onDestination}},
		{what: "random numbers come again", worker: "rng", fault: e.does(egdAgain), complaints: []string{
			`^the random number generator: expected other bytes than before, found [0-9a-f]{64} again, as [0-9]+ reads ago` + onDestination,
		}},
		{what: "random numbers are random again", fault: e.does(egdRandom)},
	}
}

// A liar echoes the lines of the guest's serial port, but not as they were.
type liar struct {
	path    string
	damages *atomic.Bool // it sends a part of each first, and not another line
}

func listenLiar(t *testing.T) liar {
	e := liar{damages: &atomic.Bool{}}
	e.path = served(t, func(conn net.Conn) {
		var rest []byte
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			var lines []guestwire.Line
			lines, _, rest = guestwire.Cut(append(rest, buf[:n]...))
			for _, l := range lines {
				answer := l.Append(nil)
				if e.damages.Load() {
					answer = slices.Concat(answer[:20], answer[21:], answer) // without a byte
				} else if other, err := guestwire.New(l.Sequence, l.At, l.Verb, struct{ Text string }{"a lie"}); err == nil {
					answer = other.Append(nil)
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		}
	})
	return e
}

func (e liar) tamperings() []linuxTampering {
	return []linuxTampering{
		{
			what: "a serial port's line comes back as another", worker: "serial", complaints: []string{`^the serial port: line \d+: expected [0-9a-f]+, found a lie` + onDestination},
			fault: func(ctx context.Context, p *migration.Pair) error {
				text, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "chardev-change guest-echo socket,path="+e.path)
				if err == nil && text != "" {
					err = errors.New(text)
				}
				return err
			},
		},
		{
			what: "a serial port loses a byte of each line", worker: "serial", failure: `^\d+ of \d+ lines through the serial port are damaged, expected `,
			fault: func(context.Context, *migration.Pair) error {
				e.damages.Store(true)
				return nil
			},
		},
	}
}

func logTamperings() []linuxTampering {
	return []linuxTampering{{
		what: "an NMI that nobody sent", worker: "log", complaints: []string{`^the kernel log, [0-9.]+ s after its boot, level 0: expected no warning, lockup or failure, found "Uhhuh. NMI received for unknown reason .*"` + onDestination},
		fault: func(ctx context.Context, p *migration.Pair) error {
			_, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "nmi")
			return err
		},
	}}
}

// displayTamperings are done to its memory, which the guest writes again and again, and to a
// register.
func displayTamperings() []linuxTampering {
	const vga, registers, firstColumn = "1234:1111", 2, 0x500 + 2*8
	value := byte(0)
	return []linuxTampering{
		{
			what: "a byte of what is shown changes", worker: "display",
			complaints: []string{`^the byte at 0x7b of the display's memory is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}; [0-9]+ bytes of page 0, generation [0-9]+, are wrong`},
			again: func(ctx context.Context, p *migration.Pair) error {
				value ^= 0xff
				return p.Destination.QTest().Writeb(ctx, p.Linux().Workers()["display"].Counts.Counts["first-page"]+123, value)
			},
		},
		{
			what: "the display shows another part", worker: "display", complaints: []string{`^the display: the mode's first column changed: expected 0x0, found 0x10` + onDestination},
			fault: func(ctx context.Context, p *migration.Pair) error {
				at, err := regionOf(ctx, p, vga, registers)
				if err != nil {
					return err
				}
				return p.Destination.QTest().Writew(ctx, at+firstColumn, 16)
			},
		},
	}
}

// watchdogTamperings make it fire within a few milliseconds, however often it is fed.
func watchdogTamperings() []linuxTampering {
	return []linuxTampering{{
		what: "a watchdog fires that is fed", worker: "watchdog", complaints: []string{`^the watchdog has fired: expected it not to for 60 s after it was fed, found that [0-9.]+ s had passed` + onDestination},
		fault: func(ctx context.Context, p *migration.Pair) error {
			at, err := regionOf(ctx, p, "8086:25ab", 0)
			if err != nil {
				return err
			}
			const reload, fed = 0xc, 1 << 8
			return paused(func(ctx context.Context, d *migration.Side) error {
				q := d.QTest()
				unlock := func() error { return errors.Join(q.Writew(ctx, at+reload, 0x80), q.Writew(ctx, at+reload, 0x86)) }
				return errors.Join(unlock(), q.Writel(ctx, at, 1), unlock(), q.Writel(ctx, at+4, 1), unlock(), q.Writew(ctx, at+reload, fed))
			})(ctx, p)
		},
	}}
}
