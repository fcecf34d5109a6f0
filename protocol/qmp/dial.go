package qmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/ended"
)

// The pauses between two attempts of Dial.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// Dial connects to a monitor that listens on a UNIX or TCP address, as
// [net.Dial] names them, and starts a session on the connection. One that does
// not listen yet is tried again until ctx ends, so bound that; and so is one that
// hangs up before it has greeted, as what forwards connections to it does while it
// doesn't listen.
//
// To reconnect is to call Dial again.
func Dial(ctx context.Context, network, address string, o Options) (*Session, error) {
	return dial(ctx, network, address, o, New)
}

// DialAgent is Dial for a guest agent. The address is that of QEMU's end of the
// channel (-chardev socket,server=on), which listens long before the guest has
// started its agent.
func DialAgent(ctx context.Context, network, address string, o Options) (*Session, error) {
	return dial(ctx, network, address, o, NewAgent)
}

func dial(ctx context.Context, network, address string, o Options, start func(context.Context, net.Conn, Options) (*Session, error)) (*Session, error) {
	var dialer net.Dialer
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dialer.DialContext(ctx, network, address)
		again := worthAnotherTry(err)
		if err == nil {
			var session *Session
			if session, err = start(ctx, conn, o); err == nil {
				return session, nil
			}
			if again = errors.Is(err, errHungUp); !again {
				return nil, err
			}
		}
		if ctx.Err() == nil && !again {
			if errors.Is(err, syscall.EINVAL) && strings.HasPrefix(network, "unix") {
				return nil, fmt.Errorf("qmp: %w; the path of a UNIX socket has at most 107 bytes on Linux, and this one has %d", err, len(address))
			}
			return nil, fmt.Errorf("qmp: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("qmp: %w; the last try: %w", ended.By(ctx), err)
		}
	}
}

// errHungUp says that the peer closed the connection before it had sent anything.
var errHungUp = errors.New("the peer closed the connection before it greeted")

// early adds to the error of a session that has ended that its peer had not sent
// anything, where that is so.
func (s *Session) early(err error) error {
	s.mu.Lock()
	causes := []error{s.cause, s.broken}
	s.mu.Unlock()
	select {
	case <-s.greeted:
		return err
	default:
	}
	for _, cause := range causes {
		if errors.Is(cause, io.EOF) || errors.Is(cause, syscall.ECONNRESET) || errors.Is(cause, syscall.EPIPE) {
			return fmt.Errorf("%w (%w)", err, errHungUp)
		}
	}
	return err
}

// worthAnotherTry tells a server that has not started, which is the system's to
// say, from an address that can't be right or isn't for us. EINVAL is a UNIX socket's
// path of more than about a hundred bytes.
func worthAnotherTry(err error) bool {
	no, fromSystem := errors.AsType[syscall.Errno](err)
	return fromSystem && no != syscall.EINVAL && !errors.Is(no, fs.ErrPermission)
}
