package steps

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func linkVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "tap", Args: "[held]",
			Doc:     "Puts a relay between the sides, which counts what they send each other and where a fault can be put; held, it passes nothing on before it is opened; the destination must listen on tcp or unix.",
			Example: "tap",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("held") {
					return HoldTap()
				}
				return Tap()
			},
		},
		{
			Name: "retarget tap", Doc: "Leads the relay to where the destination listens now, as after migrate-recover, which makes it listen elsewhere.", Example: "retarget tap",
			Step: do(RetargetTap),
		},
		{
			Name: "open tap", Doc: "Lets a relay that was held pass things on.", Example: "open tap",
			Step: do(OpenTap),
		},
		{
			Name: "await link-sent", Args: "SIZE [more]", Doc: "Waits until so many bytes were sent over the link; more counts from now on.", Example: "await link-sent 20MB",
			Step: func(a *migration.Args) migration.Step {
				size := a.Size("how much")
				if a.Option("more") {
					return AwaitMore(size)
				}
				return AwaitSent(size)
			},
		},
		{
			Name: "await quiet-link", Args: "TIME", Doc: "Waits until nothing was sent over the link for so long.", Example: "await quiet-link 25ms",
			Step: func(a *migration.Args) migration.Step { return AwaitQuiet(a.Duration("how long")) },
		},
		{
			Name: "expect link-sent", Args: "BOUNDS", Doc: "How much went over the link in all, once its connections are closed.", Example: "expect link-sent 1kB..15MB",
			Step: func(a *migration.Args) migration.Step { return ExpectSentOverLink(a.Bounds()) },
		},
		{
			Name: "expect link-stalled-at", Args: "BYTES", Doc: "Exactly so many bytes were sent over the link.", Example: "expect link-stalled-at 20001234",
			Step: func(a *migration.Args) migration.Step { return expectStalled(a.Size("how many")) },
		},
	}
}

// relays is that of a run.
var relays migration.Slot[*Relay]

// errNoTap says that a step needs the link tapped.
var errNoTap = errors.New("there is no tap on the link: put the step tap before this one")

// Link is the relay between the sides. It is an error where none was put there.
func Link(p *migration.Pair) (*Relay, error) {
	if r := *relays.Of(p); r != nil {
		return r, nil
	}
	return nil, errNoTap
}

// onLink is a step that wants the link tapped.
func onLink(name string, do func(ctx context.Context, p *migration.Pair, r *Relay) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"tap"}, Do: func(ctx context.Context, p *migration.Pair) error {
		r, err := Link(p)
		if err != nil {
			return err
		}
		return do(ctx, p, r)
	}}
}

// onDrainedLink is a step that wants the last byte of every connection to have been sent,
// and gathers what went over each.
func onDrainedLink(name string, do func(ctx context.Context, p *migration.Pair, r *Relay) error) migration.Step {
	s := onLink(name, func(ctx context.Context, p *migration.Pair, r *Relay) error {
		if err := drain(ctx, p); err != nil {
			return err
		}
		return do(ctx, p, r)
	})
	s.Gathers = []record.Fact{record.FactLink}
	return s
}

// Tap puts a relay between the sides. One that was there before is closed.
func Tap() migration.Step {
	return migration.Step{Name: "tap", Wants: []string{"listen"}, Gives: []string{"tap"}, Do: func(_ context.Context, p *migration.Pair) error {
		network, to, _ := strings.Cut(p.URI, ":")
		r, err := newRelay(p, network, to)
		if err != nil {
			return err
		}
		r.work.Go(r.accept)
		return nil
	}}
}

// HoldTap is Tap for a UNIX socket on which the destination does not listen yet: the relay
// takes connections and passes nothing on yet, so that the steps decide when the stream
// comes.
func HoldTap() migration.Step {
	return migration.Step{Name: "tap held", Gives: []string{"tap"}, Do: func(_ context.Context, p *migration.Pair) error {
		_, err := newRelay(p, "unix", p.Path(streamSocket))
		return err
	}}
}

// streamSocket is what the destination listens on behind a relay that was held.
const streamSocket = "migration.sock"

func newRelay(p *migration.Pair, network, to string) (*Relay, error) {
	own := map[string]string{"tcp": loopbackLike(to), "unix": p.Path("tap.sock")}[network]
	if own == "" {
		return nil, fmt.Errorf("a tap is for tcp and unix, and the destination listens on %s", p.URI)
	}
	l, err := net.Listen(network, own)
	if err != nil {
		return nil, err
	}
	have := relays.Of(p)
	(*have).close()
	r := &Relay{listener: l, to: address{network, to}, source: p.Source.PID()}
	*have = r
	p.LinkSent = r.Sent
	p.OnGather(func() {
		if why := r.doubt(); why != "" {
			p.Unsure(why)
		}
		for _, from := range r.named() {
			if text := "the tap: " + from; !slices.Contains(p.Facts.Strangers, text) {
				p.Facts.Strangers = append(p.Facts.Strangers, text)
			}
		}
	})
	p.Defer(r.close)
	p.URI = network + ":" + l.Addr().String()
	return r, nil
}

// loopbackLike is a port of the loopback's in the address family of a TCP address.
func loopbackLike(address string) string {
	if strings.HasPrefix(address, "[") {
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

// OpenTap lets the stream through.
func OpenTap() migration.Step {
	return onLink("open tap", func(_ context.Context, _ *migration.Pair, r *Relay) error {
		r.work.Go(r.accept)
		return nil
	})
}

// RetargetTap leads the relay that there is to where the destination listens now.
func RetargetTap() migration.Step {
	return onLink("retarget tap", func(_ context.Context, p *migration.Pair, r *Relay) error {
		network, to, _ := strings.Cut(p.URI, ":")
		r.mu.Lock()
		r.to = address{network, to}
		r.mu.Unlock()
		own := r.listener.Addr()
		p.URI = own.Network() + ":" + own.String()
		return nil
	})
}

// releaseTimeout is how long a QEMU may take from saying that a migration is
// completed to closing what it used for it.
const releaseTimeout = 5 * time.Second

// drain waits until the source has sent the last byte of every connection, and
// gathers what went over each.
func drain(ctx context.Context, p *migration.Pair) error {
	r, err := Link(p)
	if err != nil {
		return err
	}
	ctx, cancel := p.AtMost(ctx, releaseTimeout)
	defer cancel()
	facts := &record.LinkFacts{}
	for i, l := range r.connections() {
		select {
		case <-l.Forward.Done():
		case <-ctx.Done():
			return fmt.Errorf("%w: connection %d of the migration is still open after its end", context.Cause(ctx), i+1)
		}
		facts.Connections = append(facts.Connections, record.ConnectionFacts{
			Forward: l.Forward.Bytes(), Back: l.Back.Bytes(), First: l.Forward.First(),
		})
	}
	p.Facts.Link = facts
	return nil
}

// AwaitSent waits until so many bytes were sent over the link.
func AwaitSent(bytes int64) migration.Step {
	return onLink(fmt.Sprintf("await link-sent %d", bytes), func(ctx context.Context, _ *migration.Pair, r *Relay) error {
		return awaitSent(ctx, r, bytes)
	})
}

// AwaitMore waits until so many more bytes were sent over the link.
func AwaitMore(bytes int64) migration.Step {
	return onLink(fmt.Sprintf("await link-sent %d more", bytes), func(ctx context.Context, _ *migration.Pair, r *Relay) error {
		return awaitSent(ctx, r, r.Sent()+bytes)
	})
}

func awaitSent(ctx context.Context, r *Relay, bytes int64) error {
	err := migration.Poll(ctx, fmt.Sprintf("%d bytes to go over the link", bytes), func() (bool, error) { return r.Sent() >= bytes, nil })
	if err != nil {
		err = fmt.Errorf("%w, of which %d were sent", err, r.Sent())
	}
	return err
}

// AwaitQuiet waits until nothing was sent over the link for so long.
func AwaitQuiet(d time.Duration) migration.Step {
	return onLink(fmt.Sprintf("await quiet-link %s", d), func(ctx context.Context, _ *migration.Pair, r *Relay) error {
		bytes, since := r.Sent(), time.Now()
		return migration.Poll(ctx, fmt.Sprintf("nothing to go over the link for %s", d), func() (bool, error) {
			if now := r.Sent(); now != bytes {
				bytes, since = now, time.Now()
			}
			return time.Since(since) >= d, nil
		})
	})
}

// ExpectSentOverLink gathers how much went over the link.
func ExpectSentOverLink(bounds record.Bounds) migration.Step {
	return onDrainedLink("expect link-sent "+bounds.String(), func(ctx context.Context, p *migration.Pair, r *Relay) error {
		p.Measure("sent over the link", float64(r.Sent()), "bytes", bounds)
		return nil
	})
}

// expectStalled gathers that nothing has passed a link since it was stalled.
func expectStalled(at int64) migration.Step {
	return onLink(fmt.Sprintf("expect link-stalled-at %d", at), func(_ context.Context, p *migration.Pair, r *Relay) error {
		p.Measure(fmt.Sprintf("passed a link that was to stall at byte %d", at), float64(r.Sent()), "bytes", record.Exactly(float64(at)))
		return nil
	})
}
