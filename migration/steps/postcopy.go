package steps

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func postcopyVerbs() migration.Vocabulary {
	return slices.Concat(migration.Vocabulary{
		{
			Name: "await postcopy", Doc: "Waits until the guest runs on the destination, and the source announces postcopy-active.", Example: "await postcopy",
			Step: do(AwaitPostcopy),
		},
		{
			Name: "await preempt-channel", Args: "SIZE",
			Doc:     "Waits until so much was sent over the preempt channel, which carries the pages that the destination requests.",
			Example: "await preempt-channel 16KiB",
			Step:    func(a *migration.Args) migration.Step { return AwaitPreemptChannel(a.Size("a number of bytes")) },
		},
		{
			Name: "expect preempt-channel", Args: "BOUNDS",
			Doc:     "The migration made two connections, and sent so many bytes over the preempt channel.",
			Example: "expect preempt-channel >= 16KiB",
			Step:    func(a *migration.Args) migration.Step { return ExpectPreemptChannel(a.Bounds()) },
		},
		{
			Name: "expect requested-pages", Args: "BOUNDS",
			Doc:     "How many pages the destination requested, as its guest waited for them, by the source's postcopy-requests.",
			Example: "expect requested-pages >= 1",
			Step:    func(a *migration.Args) migration.Step { return ExpectRequestedPages(a.Bounds()) },
		},
		{
			Name: "expect postcopy-bytes", Args: "BOUNDS",
			Doc:     "How many bytes were sent after the guest, by the source's postcopy-bytes.",
			Example: "expect postcopy-bytes >= 1MB",
			Step:    func(a *migration.Args) migration.Step { return ExpectPostcopyBytes(a.Bounds()) },
		},
		{
			Name: "expect postcopy-blocktime", Args: "[PERCENT]",
			Doc:     "The destination reports for how long its vCPUs waited for pages, where the kernel reports which thread waited: no longer than the guest ran without all its RAM, and the only vCPU at least this part of that.",
			Example: "expect postcopy-blocktime 50%",
			Step: func(a *migration.Args) migration.Step {
				least := int64(0)
				if a.More() {
					least = a.Percent("the least part of the time")
				}
				return ExpectPostcopyBlocktime(least)
			},
		},
		{
			Name: "expect huge-pages", Doc: "The destination's RAM may lie in huge pages again, which postcopy forbids while pages come.",
			Example: "expect huge-pages", Step: do(ExpectHugePages),
		},
		{
			Name: "expect channels-then-main", Doc: "The source made a connection for each multifd channel and a main one; each channel carried at least 1 MB, and the main one at least 10 MB.", Example: "expect channels-then-main",
			Step: do(ExpectChannelsThenMain),
		},
	}, recoveryVerbs())
}

// Lines that steps of postcopy want before them.
const (
	startPostcopy   = "migrate-start-postcopy"
	awaitSwitchover = "await switchover"
	enablePreempt   = "enable postcopy-preempt"
)

// AwaitPostcopy waits until the guest runs on the destination and the source knows.
func AwaitPostcopy() migration.Step {
	return migration.Step{Name: "await postcopy", Wants: []string{startPostcopy}, Do: awaitPostcopy}
}

func awaitPostcopy(ctx context.Context, p *migration.Pair) error {
	err := each(p, migration.DestinationName, func(d *migration.Side) error {
		_, err := d.Await(ctx, "RESUME", migration.Named("RESUME"))
		return err
	})
	if err != nil {
		return err
	}
	_, err = p.Source.AwaitStatus(ctx, qapi.MigrationPostcopyActive)
	return err
}

// AwaitPreemptChannel waits until so many bytes were sent over the connection that is for
// the pages which the destination requests. Any handshake takes less than a page.
func AwaitPreemptChannel(size int64) migration.Step {
	await := onLink(fmt.Sprintf("await preempt-channel %d", size), func(ctx context.Context, _ *migration.Pair, r *Relay) error {
		channel := r.connection(2).Forward
		err := migration.Poll(ctx, fmt.Sprintf("%d bytes to go over the preempt channel", size), func() (bool, error) {
			return channel.Bytes() >= size, nil
		})
		if err != nil {
			err = fmt.Errorf("%w, of which %d were sent", err, channel.Bytes())
		}
		return err
	})
	await.Wants = append(await.Wants, enablePreempt, startPostcopy)
	return await
}

// ExpectPreemptChannel gathers that there were two connections, and how much went over the
// preempt channel, which is the one that is used less.
func ExpectPreemptChannel(bounds record.Bounds) migration.Step {
	expect := onDrainedLink("expect preempt-channel "+bounds.String(), func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		least := math.Inf(1)
		for _, c := range p.Facts.Link.Connections {
			least = min(least, float64(c.Forward))
		}
		p.Measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(2))
		// A guest that gets no time waits for no page.
		p.Measure("sent over the less used connection", least, "bytes", bounds.IfOnTime())
		return nil
	})
	expect.Wants = append(expect.Wants, enablePreempt, awaitSwitchover)
	return expect
}

// ExpectRequestedPages gathers how many pages the guest waited for, and was sent.
func ExpectRequestedPages(bounds record.Bounds) migration.Step {
	expect := onPostcopyEnded("expect requested-pages "+bounds.String(), func(p *migration.Pair, info qapi.MigrationInfo) {
		// A guest that gets no time waits for no page.
		p.Measure("pages that the destination requested", float64(info.RAM.PostcopyRequests), "pages", bounds.IfOnTime())
	})
	expect.Wants = append(expect.Wants, awaitSwitchover)
	return expect
}

// ExpectPostcopyBytes gathers how much was sent after the guest, also of what nobody
// requested.
func ExpectPostcopyBytes(bounds record.Bounds) migration.Step {
	return onPostcopyEnded("expect postcopy-bytes "+bounds.String(), func(p *migration.Pair, info qapi.MigrationInfo) {
		p.Measure("sent after the guest", float64(info.RAM.PostcopyBytes), "bytes", bounds)
	})
}

// onPostcopyEnded is a step about what the source reported at the end of a postcopy.
func onPostcopyEnded(name string, do func(p *migration.Pair, info qapi.MigrationInfo)) migration.Step {
	return migration.Step{Name: name, Wants: []string{startPostcopy}, Do: func(_ context.Context, p *migration.Pair) error {
		info, err := migrationInfo(p)
		if err != nil {
			return err
		}
		do(p, info)
		return nil
	}}
}

// defaultChannels is how many multifd channels QEMU makes where nothing was set.
const defaultChannels = 2

// ExpectChannelsThenMain gathers that pages went over the multifd channels, and as many
// again over the main one.
func ExpectChannelsThenMain() migration.Step {
	expect := onDrainedLink("expect channels-then-main", func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		channels := cmp.Or(limit(p, qapi.ParamMultifdChannels), defaultChannels)
		p.Measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(1+channels))
		main, least := 0.0, math.Inf(1)
		for _, c := range p.Facts.Link.Connections {
			if isMainChannel(c.First) {
				main += float64(c.Forward)
			} else {
				least = min(least, float64(c.Forward))
			}
		}
		p.Measure("sent over the least used channel", least, "bytes", record.AtLeast(1*MB))
		p.Measure("sent over the main channel", main, "bytes", record.AtLeast(10*MB))
		return nil
	})
	expect.Wants = append(expect.Wants, "enable multifd", startPostcopy, awaitSwitchover)
	return expect
}

// ExpectHugePages gathers how much of the destination's RAM may not lie in huge pages when the
// migration is over. Where the kernel has none, that is nothing.
func ExpectHugePages() migration.Step {
	expect := onDestination("expect huge-pages", func(ctx context.Context, p *migration.Pair) error {
		forbidden := uint64(0)
		err := p.PollAtMost(ctx, releaseTimeout, "huge pages to be allowed", func() (bool, error) {
			var err error
			forbidden, err = procfs.WithoutHugePages(p.Destination.PID(), p.RAMBytes())
			return forbidden == 0, err
		})
		if err != nil {
			return err
		}
		p.Measure("RAM of the destination that may not lie in huge pages", float64(forbidden), "bytes", record.AtMost(0))
		return nil
	})
	expect.Wants = []string{awaitSwitchover}
	return expect
}
