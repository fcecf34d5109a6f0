package launcher

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/transcript"
)

// wiring is our side of everything that goes between us and a QEMU.
type wiring struct {
	qmp, qtest           net.Conn
	serial, port         line
	qmpTrace, qtestTrace func(transcript.Message)
	serialCopies         []io.Writer
	portCopies           []io.Writer
}

// wire builds both sides: ours, and QEMU's as its command line. What it opens
// is closed by v.closers.
func (v *VM) wire() (*wiring, error) {
	w := &wiring{}
	a := &v.argv
	a.machine(v.config, v.sandbox)

	var end *os.File
	var err error
	if w.qmp, end, err = v.pair("qmp"); err != nil {
		return nil, err
	}
	a.monitor(end, v.config)
	if w.qtest, end, err = v.pair("qtest"); err != nil {
		return nil, err
	}
	a.qtest(end, v.probed.HasObject("qtest"))
	if w.serial, end, err = v.serialPair(); err != nil {
		return nil, err
	}
	a.serial(end, v.config.Serial)
	if v.config.Port != "" {
		if w.port, end, err = v.pair("port"); err != nil {
			return nil, err
		}
		a.port(end, v.config)
	}
	if err := v.bootProgram(); err != nil {
		return nil, err
	}
	if err := v.secrets(); err != nil {
		return nil, err
	}
	if err := v.offerDump(); err != nil {
		return nil, err
	}
	a.add(v.config.Args...)
	return w, v.keepLogs(w)
}

// end ends what QEMU sends, but for what is on the way for so long yet.
func (w *wiring) end(grace time.Duration) {
	for _, stream := range []any{w.qmp, w.qtest, w.serial, w.port} {
		if s, ok := stream.(interface{ SetReadDeadline(time.Time) error }); ok {
			_ = s.SetReadDeadline(time.Now().Add(grace))
		}
	}
}

// pair makes a connected pair of sockets: ours, and the one QEMU inherits.
func (v *VM) pair(name string) (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: socketpair: %w", name, err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	defer func() { _ = ours.Close() }() // FileConn has its own copy
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	v.closers = append(v.closers, func() { _ = conn.Close() })
	return conn, theirs, nil
}

// keepLogs opens what Config.Dir is to hold.
func (v *VM) keepLogs(w *wiring) error {
	var err error
	open := func(what string) *os.File {
		f, openErr := v.config.logFile(what)
		if openErr != nil && err == nil {
			err = openErr
		}
		if f != nil {
			v.closers = append(v.closers, func() { _ = f.Close() })
		}
		return f
	}
	most := v.config.KeptBytes
	if f := open("console"); f != nil {
		w.serialCopies = append(w.serialCopies, boundedText(f, most))
	}
	if f := open("console.cast"); f != nil {
		w.serialCopies = append(w.serialCopies, newCast(f, v.config.Name, time.Now(), most))
	}
	if w.port != nil {
		if f := open("port"); f != nil {
			w.portCopies = append(w.portCopies, boundedText(f, most))
		}
	}
	if f := open("stderr"); f != nil {
		v.stderr.copy = boundedText(f, most)
	}
	w.qmpTrace = traceTo(open("qmp"), most)
	w.qtestTrace = traceTo(open("qtest"), most)
	return err
}

// tracedBytes is how much of one message a kept transcript shows: enough for
// any command of ours, while a dump of RAM leaves its head.
const tracedBytes = 8 << 10

func traceTo(f *os.File, most int64) func(transcript.Message) {
	if f == nil {
		return nil
	}
	w := transcript.NewWriter(boundedLines(f, most))
	w.Limit = tracedBytes
	return w.Trace
}

// both calls the traces that are there.
func both(a, b func(transcript.Message)) func(transcript.Message) {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	return func(m transcript.Message) { a(m); b(m) }
}
