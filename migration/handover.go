package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// ownRAM makes the guest's RAM the source's own file in memory, which it can hand over.
func (r *run) ownRAM(p *Pair) {
	p.Facts.SharedRAM = true
	r.ramArgs = []string{
		"-object", fmt.Sprintf("memory-backend-memfd,id=ram,size=%dM,share=on", r.program.MemoryMiB),
		"-machine", "memory-backend=ram,aux-ram-share=on",
	}
}

// A starting is a destination that is being started while the story goes on.
type starting struct {
	cancel context.CancelFunc
	done   chan struct{}
	side   *Side
	err    error
	taken  bool
}

// end gives up what nobody has taken. Nil is one that never was.
func (l *starting) end() {
	if l == nil {
		return
	}
	l.cancel()
	<-l.done
	if l.side != nil && !l.taken {
		_ = l.side.Close()
	}
}

// StartDestination begins to start a destination that first takes what the source
// hands over at the socket given, and only then has a monitor; its stream comes from
// where incoming says. It returns when that socket is there.
func StartDestination(incoming string) Step {
	return Step{Name: "begin to start the destination", Do: func(ctx context.Context, p *Pair) error {
		channel, err := json.Marshal(p.handover())
		if err != nil {
			return err
		}
		from := incoming
		if from != deferred {
			from += p.path(streamSocket)
		}
		c := p.run.config(DestinationName)
		c.Args = append(c.Args, "-incoming", from, "-incoming", string(channel))
		c.StartTimeout = p.run.slow(StepPatience) - StepPatience/5 // so that it is the launcher who says what came of it
		life, cancel := context.WithCancel(p.run.ctx)
		late := &starting{cancel: cancel, done: make(chan struct{})}
		p.starting, p.Facts.Destination = late, &record.SideFacts{}
		go func() {
			defer close(late.done)
			late.side, late.err = p.launchFor(life, life, c, p.Facts.Destination)
		}()
		return poll(ctx, "the destination to listen for what is handed over", func() (bool, error) {
			select {
			case <-late.done:
				return true, fmt.Errorf("the destination: %w", late.err)
			default:
				return listens(p.path(handoverSocket))
			}
		})
	}}
}

// listens says whether somebody listens on the UNIX socket with that path (proc(5):
// of the flags, 0x10000 is __SO_ACCEPTCON).
func listens(path string) (bool, error) {
	const flags, name = 3, 7
	sockets, err := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > name && f[name] == path && f[flags] == "00010000" {
			return true, err
		}
	}
	return false, err
}

// AwaitDestination waits until the destination's monitor answers.
func AwaitDestination() Step {
	return Step{Name: "await the destination's monitor", Do: func(ctx context.Context, p *Pair) error {
		select {
		case <-p.starting.done:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the destination's monitor: %w", context.Cause(ctx))
		}
		p.Destination, p.starting.taken = p.starting.side, p.starting.side != nil
		if p.starting.err != nil {
			return fmt.Errorf("the destination, which waits for what the source hands over: %w", p.starting.err)
		}
		return nil
	}}
}

// The sockets that the destination listens on.
const (
	handoverSocket = "handover.sock"
	streamSocket   = "migration.sock"
)

// Where a destination's stream comes from: a UNIX socket, or where it is told later.
const (
	atOnce   = "unix:"
	deferred = "defer"
)

// handover is the channel over which the source hands its files to the destination.
func (p *Pair) handover() qapi.MigrationChannel {
	channel := qapi.UnixChannel(p.path(handoverSocket))
	channel.Type = "cpr"
	return channel
}
