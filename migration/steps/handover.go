package steps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func handoverVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "launch destination", Args: "unix|defer",
			Doc:     "Begins to start a destination that takes what the source hands over (a channel of type cpr) before it has a monitor, and then its stream, from a UNIX socket or from an address that it gets later; for ram handed-over.",
			Example: "launch destination unix",
			Step: func(a *migration.Args) migration.Step {
				return LaunchDestination(a.OneOf("where its stream comes from", Unix, Deferred))
			},
		},
		{
			Name: "hand over", Doc: "Begins to migrate to a destination that was launched, over the tap, with a channel of type cpr beside the main one.",
			Example: "hand over", Step: do(HandOver),
		},
		{
			Name: "await monitor", Doc: "Waits until the monitor answers of a destination that was launched.", Example: "await monitor",
			Step: do(AwaitMonitor),
		},
		{
			Name: "listen behind-tap", Doc: "Makes a destination that was launched with defer listen where a tap that is held leads to.", Example: "listen behind-tap",
			Step: do(ListenBehindTap),
		},
		{
			Name: "expect stop-first", Doc: "The guest was stopped before the source's migration was active, as a mode does that leaves RAM where it is.", Example: "expect stop-first",
			Step: do(ExpectStopFirst),
		},
		{
			Name: "expect same-ram", Doc: "Both QEMUs have the same file mapped as the guest's RAM.", Example: "expect same-ram",
			Step: do(ExpectSameRAM),
		},
	}
}

// Deferred is where a destination's stream comes from that learns only later where to
// listen.
const Deferred = "defer"

// A launched destination is one that is being started while the steps continue.
type launched struct {
	cancel context.CancelFunc
	done   chan struct{}
	side   *migration.Side
	err    error
	taken  bool
}

// launching is the destination of a run that is being started.
var launching migration.Slot[*launched]

// end ends one that nobody has taken.
func (l *launched) end() {
	l.cancel()
	<-l.done
	if l.side != nil && !l.taken {
		_ = l.side.Close()
	}
}

// handoverSocket is where the destination takes what the source hands over.
const handoverSocket = "handover.sock"

// handoverChannel is the channel over which the source hands its files to the destination.
func handoverChannel(p *migration.Pair) qapi.MigrationChannel {
	channel := qapi.UnixChannel(p.Path(handoverSocket))
	channel.Type = "cpr"
	return channel
}

// errTookNothing is about a destination that has a monitor before anything was handed over.
var errTookNothing = errors.New("it did not wait for what the source hands over")

// LaunchDestination begins to start a destination that first takes what the source hands
// over, and only then has a monitor; its stream comes over a socket ([Unix]), or from
// where it learns later ([Deferred]). The step ends when the destination listens for what
// is handed over.
func LaunchDestination(stream string) migration.Step {
	return migration.Step{Name: "launch destination " + stream, Gives: []string{"launch destination"}, Do: func(ctx context.Context, p *migration.Pair) error {
		incoming := map[string]string{Unix: "unix:" + p.Path(streamSocket), Deferred: Deferred}[stream]
		if incoming == "" {
			return fmt.Errorf("the stream of a destination can't come from %q: it is %s or %s", stream, Unix, Deferred)
		}
		channel, err := json.Marshal(handoverChannel(p))
		if err != nil {
			return err
		}
		life, cancel := context.WithCancel(p.Life())
		l := &launched{cancel: cancel, done: make(chan struct{})}
		*launching.Of(p), p.Facts.Destination = l, &record.SideFacts{}
		p.Defer(l.end)
		go func() {
			defer close(l.done)
			l.side, l.err = p.LaunchDestination(life, "-incoming", incoming, "-incoming", string(channel))
		}()
		return migration.Poll(ctx, "the destination to listen for what is handed over", func() (bool, error) {
			select {
			case <-l.done:
				return true, fmt.Errorf("the destination: %w", cmp.Or(l.err, errTookNothing))
			default:
				return procfs.Listens(p.Path(handoverSocket))
			}
		})
	}}
}

// HandOver begins to migrate, with a channel for the files that are handed over.
func HandOver() migration.Step {
	return migration.Step{
		Name: "hand over", Wants: []string{"launch destination", "tap"}, Gives: []string{"hand over", "migrate"},
		Do: func(ctx context.Context, p *migration.Pair) error {
			path, ok := strings.CutPrefix(p.URI, "unix:")
			if !ok {
				return fmt.Errorf("%s is no UNIX socket that the stream could go to: put the step tap held before this one", p.URI)
			}
			to := []qapi.MigrationChannel{qapi.UnixChannel(path), handoverChannel(p)}
			return p.MigrateTo(ctx, qapi.MigrateArguments{Channels: to})
		},
	}
}

// AwaitMonitor waits until the monitor answers of a destination that was launched.
func AwaitMonitor() migration.Step {
	return migration.Step{Name: "await monitor", Wants: []string{"launch destination"}, Do: func(ctx context.Context, p *migration.Pair) error {
		l := *launching.Of(p)
		if l == nil {
			return errors.New("no destination was launched")
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return fmt.Errorf("%w waiting for the destination's monitor", context.Cause(ctx))
		}
		if l.side != nil {
			p.Destination, p.Facts.Destination, l.taken = l.side, l.side.Facts, true
		}
		if l.err != nil {
			return fmt.Errorf("the destination, which waits for what the source hands over: %w", l.err)
		}
		return nil
	}}
}

// ListenBehindTap makes a destination that was launched listen where the tap leads to.
func ListenBehindTap() migration.Step {
	return migration.Step{
		Name: "listen behind-tap", Wants: []string{"await monitor", "tap"}, Gives: []string{"listen"},
		Do: func(ctx context.Context, p *migration.Pair) error {
			return each(p, migration.DestinationName, func(*migration.Side) error {
				return listenAt(ctx, p, "unix:"+p.Path(streamSocket))
			})
		},
	}
}

// ExpectStopFirst demands that the guest was stopped before anything was sent, as a mode
// does that leaves RAM where it is.
func ExpectStopFirst() migration.Step {
	return onMigration("expect stop-first", func(ctx context.Context, p *migration.Pair) error {
		events, _ := p.Source.Events(ctx)
		began := p.Source.Facts.Began
		for _, e := range events {
			if e.Time.Before(began) {
				continue
			}
			if e.Name == "STOP" {
				return nil
			}
			if migration.StatusOf(qmp.Event{Name: e.Name, Data: e.Data}) == qapi.MigrationActive {
				return errors.New("the source's migration was active before its guest had stopped")
			}
		}
		return errors.New("the source's guest never stopped")
	})
}

// ExpectSameRAM demands that both QEMUs have the same file mapped as the guest's RAM.
func ExpectSameRAM() migration.Step {
	return step("expect same-ram", func(_ context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(d *migration.Side) error {
			source, err := procfs.SharedMappings(p.Source.PID(), p.RAMBytes())
			if err != nil {
				return err
			}
			destination, err := procfs.SharedMappings(d.PID(), p.RAMBytes())
			if err != nil {
				return err
			}
			return sameRAM(source, destination)
		})
	})
}

// sameRAM demands that both QEMUs have, or had, one file mapped as the guest's RAM, and the same.
func sameRAM(source, destination []string) error {
	if len(source) != 1 || !slices.Equal(source, destination) {
		return fmt.Errorf("the source's RAM is the files (device and inode) %v, and the destination's %v, where one and the same was expected", source, destination)
	}
	return nil
}
