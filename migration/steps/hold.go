package steps

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration"
)

// held are sockets that keep others waiting.
var held migration.Slot[[]int]

// hold keeps a socket open until the connections are dropped, or the run ends.
func hold(p *migration.Pair, fd int) {
	if *held.Of(p) == nil {
		p.Defer(func() { dropHeld(p) })
	}
	*held.Of(p) = append(*held.Of(p), fd)
}

func dropHeld(p *migration.Pair) {
	for _, fd := range *held.Of(p) {
		_ = unix.Close(fd)
	}
	*held.Of(p) = nil
}

// HoldConnections listens without ever taking a connection, and uses up the only
// place in its queue: what connects waits.
func HoldConnections() migration.Step {
	return migration.Step{Name: "listen nobody", Gives: []string{"listen", "listen nobody"}, Do: func(_ context.Context, p *migration.Pair) error {
		address := &unix.SockaddrUnix{Name: p.Path("held.sock")}
		listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		hold(p, listener)
		if err := unix.Bind(listener, address); err != nil {
			return err
		}
		if err := unix.Listen(listener, 0); err != nil {
			return err
		}
		first, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		hold(p, first)
		p.URI = "unix:" + address.Name
		return unix.Connect(first, address)
	}}
}

// DropConnections lets those that wait for their connection know that none comes.
func DropConnections() migration.Step {
	return migration.Step{Name: "drop connections", Wants: []string{"listen nobody"}, Do: func(_ context.Context, p *migration.Pair) error {
		dropHeld(p)
		return nil
	}}
}
