package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/record"
)

// trafficVerbs say what the relay does to what goes over the link, which is no fault that
// a migration has to notice.
func trafficVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "stall link", Args: "[for TIME]",
			Doc:     "Lets nothing pass over the tapped link, in either direction, until it is released; with a time, waits so long and gathers that nothing did.",
			Example: "stall link for 300ms",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("for") {
					return StallLinkFor(a.Duration("the duration of the stall"))
				}
				return StallLink()
			},
		},
		{
			Name: "stall connection", Args: "NUMBER",
			Doc:     "Lets nothing pass over one connection of the tapped link, which may be yet to come, until the link is released.",
			Example: "stall connection 2",
			Step:    func(a *migration.Args) migration.Step { return StallConnection(connectionNumber(a)) },
		},
		{
			Name: "release link", Doc: "Lets everything pass again over the tapped link, at full speed.", Example: "release link",
			Step: do(ReleaseLink),
		},
		{
			Name: "limit link", Args: "RATE",
			Doc:     "Lets at most so many bytes a second pass towards the destination, over the first connection of the tapped link, which may be yet to come.",
			Example: "limit link 40MB/s",
			Step: func(a *migration.Args) migration.Step {
				rate := int64(a.Rate("a limit"))
				if rate == 0 {
					a.Fail("the limit must be at least 1 byte a second; write stall link where nothing is to pass, and release link where there is to be no limit")
				}
				return LimitLink(rate)
			},
		},
		{
			Name: "drop all-but", Args: "NUMBER",
			Doc:     "Takes what the source sends over all connections of the tapped link but that one, and passes none of it on.",
			Example: "drop all-but 3",
			Step:    func(a *migration.Args) migration.Step { return DropAllBut(connectionNumber(a)) },
		},
		{
			Name: "hold replies", Args: "NUMBER",
			Doc:     "Lets nothing of what the destination sends reach the source over one connection of the tapped link, which may be yet to come, until the link is released.",
			Example: "hold replies 2",
			Step:    func(a *migration.Args) migration.Step { return HoldReplies(connectionNumber(a)) },
		},
	}
}

// mostConnections is more than any migration makes: QEMU takes up to 255 multifd channels.
const mostConnections = 1000

// connectionNumber takes that of a connection.
func connectionNumber(a *migration.Args) int {
	n := a.Int("the number of a connection")
	if n < 1 || n > mostConnections {
		a.Fail("connections are numbered from 1 to %d", mostConnections)
	}
	return n
}

// numbered is the n-th connection, which may be yet to come.
func (r *Relay) numbered(n int) (*link.Link, error) {
	if n < 1 || n > mostConnections {
		return nil, fmt.Errorf("there is no connection %d: they are numbered from 1 to %d", n, mostConnections)
	}
	return r.connection(n), nil
}

// onConnection is a step that does something to the n-th connection, which may be yet to
// come.
func onConnection(name string, n int, do func(l *link.Link)) migration.Step {
	return onLink(fmt.Sprintf("%s %d", name, n), func(_ context.Context, _ *migration.Pair, r *Relay) error {
		l, err := r.numbered(n)
		if err != nil {
			return err
		}
		do(l)
		return nil
	})
}

func (r *Relay) stall() {
	r.connection(1).Stall()
	for _, l := range r.connections() {
		l.Stall()
	}
}

// StallLink lets nothing pass in either direction: neither over the connections that
// there are, nor over the first one, where it is yet to come.
func StallLink() migration.Step {
	return onLink("stall link", func(_ context.Context, _ *migration.Pair, r *Relay) error {
		r.stall()
		return nil
	})
}

// StallLinkFor lets nothing pass for so long, and gathers that nothing did.
func StallLinkFor(d time.Duration) migration.Step {
	return onLink(fmt.Sprintf("stall link for %s", d), func(ctx context.Context, p *migration.Pair, r *Relay) error {
		r.stall()
		before := r.Passed()
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		// What was being written to a socket when the link was stalled still goes.
		p.Measure("passed a stalled link", float64(r.Passed()-before), "bytes", record.AtMost(1<<20))
		return nil
	})
}

// StallConnection lets nothing pass over the n-th connection, counted from 1, which may be
// yet to come, until the link is released.
func StallConnection(n int) migration.Step {
	return onConnection("stall connection", n, (*link.Link).Stall)
}

// linkLimit is how many bytes a second may pass towards the destination; 0 is no limit.
var linkLimit migration.Slot[int64]

// ReleaseLink lets everything pass again, at full speed.
func ReleaseLink() migration.Step {
	return onLink("release link", func(_ context.Context, p *migration.Pair, r *Relay) error {
		*linkLimit.Of(p) = 0
		for _, l := range r.all() {
			l.Forward.Limit(0)
			l.Release()
		}
		return nil
	})
}

// LimitLink lets at most so many bytes a second pass towards the destination, over the
// first connection, which may be yet to come; 0 is no limit.
func LimitLink(bytesPerSecond int64) migration.Step {
	return onLink(fmt.Sprintf("limit link %d", bytesPerSecond), func(_ context.Context, p *migration.Pair, r *Relay) error {
		*linkLimit.Of(p) = bytesPerSecond
		r.connection(1).Forward.Limit(bytesPerSecond)
		return nil
	})
}

// DropAllBut takes from all connections but the n-th, counted from 1, what the source
// sends, and passes none of it on; also from those yet to come.
func DropAllBut(n int) migration.Step {
	return onLink(fmt.Sprintf("drop all-but %d", n), func(_ context.Context, _ *migration.Pair, r *Relay) error {
		if _, err := r.numbered(n); err != nil {
			return err
		}
		r.dropAllBut(n)
		return nil
	})
}

// HoldReplies lets nothing pass back over the n-th connection, counted from 1, which may
// be yet to come, until the link is released.
func HoldReplies(n int) migration.Step {
	return onConnection("hold replies", n, func(l *link.Link) { l.Back.Hold() })
}
