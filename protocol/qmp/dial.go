package qmp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// The pauses between two attempts of Dial.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// Dial connects to a monitor that listens on a UNIX or TCP address, as
// [net.Dial] names them, and starts a session on the connection. One that does
// not listen yet is tried again until ctx ends, so bound that.
//
// To reconnect is to call Dial again.
func Dial(ctx context.Context, network, address string, o Options) (*Session, error) {
	var dialer net.Dialer
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			return New(ctx, conn, o)
		}
		if ctx.Err() == nil && !worthAnotherTry(err) {
			return nil, fmt.Errorf("qmp: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("qmp: %w; the last try: %w", ended(ctx), err)
		}
	}
}

// worthAnotherTry tells a server that has not started, which is the system's to
// say, from an address that can't be right or isn't for us. EINVAL is a UNIX socket's
// path of more than about a hundred bytes.
func worthAnotherTry(err error) bool {
	no, fromSystem := errors.AsType[syscall.Errno](err)
	return fromSystem && no != syscall.EINVAL && !errors.Is(no, fs.ErrPermission)
}
