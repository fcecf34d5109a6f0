package launcher

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A Serial is what a guest's first serial port is connected to.
type Serial int

const (
	// SerialSocket is one of a pair of connected sockets, which needs nothing
	// of the host. The guest sees a line with somebody at its other end (CTS,
	// DSR and DCD are set).
	SerialSocket Serial = iota
	// SerialPTY is a pseudo-terminal in raw mode: nothing is echoed or
	// translated on its way. QEMU drives it as it would the serial port of its
	// host, with the system calls for speed and modem lines. The guest sees a
	// line whose modem lines are all off, so one that waits for CTS sends
	// nothing.
	SerialPTY
)

func (s Serial) String() string {
	switch s {
	case SerialSocket:
		return "socket"
	case SerialPTY:
		return "pty"
	}
	return fmt.Sprintf("Serial(%d)", int(s))
}

// serialPair makes the two ends of the guest's serial line.
func (v *VM) serialPair() (line, *os.File, error) {
	switch v.config.Serial {
	case SerialSocket:
		return v.pair("serial")
	case SerialPTY:
		return v.terminalPair()
	}
	return nil, nil, fmt.Errorf("there is no serial line %v: it is SerialSocket or SerialPTY", v.config.Serial)
}

// terminalPair makes a pseudo-terminal. QEMU could make one by itself (-chardev
// pty), but looks only once a second whether somebody has opened it, and what
// the guest prints until then is lost. So the terminal is ours, and QEMU inherits
// the slave: our reads end when QEMU has, and not before it has begun.
func (v *VM) terminalPair() (line, *os.File, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("serial: no pseudo-terminal: %w; is /dev/pts mounted? a socket needs none", err)
	}
	master, err = nonblocking(master)
	if err != nil {
		_ = slave.Close()
		return nil, nil, fmt.Errorf("serial: %w", err)
	}
	v.closers = append(v.closers, func() { _ = master.Close() })
	if err := makeRaw(slave); err != nil {
		_ = slave.Close()
		return nil, nil, fmt.Errorf("serial: %s: %w", slave.Name(), err)
	}
	_ = slave.Chmod(0o600) // where write(1) may write to terminals, not to a guest's
	return master, slave, nil
}

// nonblocking gives f, which it closes, back as a file whose reads and writes
// end when it is closed or its deadline comes. Package pty has asked the file
// for its descriptor, and so lost that.
func nonblocking(f *os.File) (*os.File, error) {
	defer func() { _ = f.Close() }()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// makeRaw is cfmakeraw(3).
func makeRaw(tty *os.File) error {
	t, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, t)
}

// recordConsole records until the line ends, which it does with QEMU.
func (v *VM) recordConsole(w *wiring) {
	v.console = newConsole(w.serial, v.process.done)
	v.work.Go(func() {
		v.console.record(w.serialCopies...)
		v.console.finish(v.explain(io.EOF))
	})
	if w.port == nil {
		return
	}
	v.port = newConsole(w.port, v.process.done)
	v.work.Go(func() {
		v.port.record(w.portCopies...)
		v.port.finish(v.explain(io.EOF))
	})
}

// SendBreak sends a break over the serial line, which a Linux guest takes for
// the SysRq key.
func (v *VM) SendBreak(ctx context.Context) error {
	return v.qmp.Execute(ctx, "chardev-send-break", map[string]string{"id": serialID}, nil)
}
