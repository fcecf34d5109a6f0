package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// inPostcopy brings a guest to where it runs on the destination and most of what it
// wrote last is still on the source, behind a tap.
func inPostcopy() Steps {
	return Steps{
		Enable(PostcopyRAM), Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1), StartPostcopy(), AwaitPostcopy(),
	}
}

var faultCutPostcopy = Scenario{
	Name:  "fault/cut/postcopy",
	Doc:   "the connection closes while the guest runs without all its RAM; the rest goes over another, and no page is lost",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: slices.Concat(inPostcopy(), Steps{
		CutLink(), AwaitPaused(), ListenAgain(), Resume(), Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy(),
	}),
}

var faultCorruptPostcopy = Scenario{
	Name: "fault/corrupt/postcopy-device",
	Doc:  "a byte is changed in the name of a device's section when postcopy begins: the guest, which the destination can't take, runs on where it was",
	Needs: []Need{
		PC, Userfaultfd,
		{Capability: PostcopyRAM},
		{Schema: "query-migrate -> status postcopy-device", What: "source that waits for the destination to load its devices in postcopy"},
	},
	Story: slices.Concat(Steps{
		Enable(PostcopyRAM), Set(MaxBandwidth, 100*MB), unhurried(),
		Boot(), Listen(TCP), Tap(), injure(1, link.Fault{After: "\x05time", Do: link.Flip}), Migrate(),
		AwaitPass(1), StartPostcopy(), AwaitFault(),
	}, returns(), Steps{Enable(PostcopyRAM)}, move()),
}

var faultStallPostcopy = Scenario{
	Name:  "fault/stall/postcopy",
	Doc:   "nothing passes for a while, while the guest runs without all its RAM: it waits, and gets it",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: slices.Concat(inPostcopy(), Steps{
		StallFor(300 * time.Millisecond), SeeStatus(qapi.MigrationPostcopyActive), ReleaseLink(),
		Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy(),
	}),
}

var faultKillPostcopy = Scenario{
	Name:  "fault/kill-dest/postcopy",
	Doc:   "the destination dies while the guest runs there without all its RAM: the source keeps what it has, and does not run it",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Ends:  record.Lost,
	Story: slices.Concat(inPostcopy(), Steps{
		KillDestination(), noticePaused(), SeeSourceKept(),
	}),
}

var faultSlowPreempt = Scenario{
	Name:  "fault/slow/preempt-channel",
	Doc:   "the connection for urgent pages lets nothing pass before the guest has stopped on the source",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}, {Capability: PostcopyPreempt}},
	Story: Steps{
		Enable(PostcopyRAM), Enable(PostcopyPreempt), Set(MaxBandwidth, 100*MB), unhurried(),
		Set(MaxPostcopyBandwidth, 100*MB),
		// 7.2 makes that connection at once, and sends nothing before it is there.
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1), HoldConnection(2), StartPostcopy(),
		AwaitStop(), ReleaseLink(), AwaitSwitchover(), SeePostcopy(), SeePreemptChannel(pageSize),
	},
}

// AwaitPostcopy waits until the guest runs on the destination and the source knows.
func AwaitPostcopy() Step {
	return Step{Name: "await postcopy", Do: func(ctx context.Context, p *Pair) error {
		_, err := p.Destination.Await(ctx, "RESUME", named("RESUME"))
		if err != nil {
			return err
		}
		return p.Source.AwaitStatus(ctx, qapi.MigrationPostcopyActive)
	}}
}

// noticePaused waits until the source knows that its connection is gone. 5.2 and 7.2
// say why only of a migration that failed, and this one has not.
func noticePaused() Step {
	notice := AwaitNotice(qapi.MigrationPostcopyPaused)
	return Step{Name: notice.Name, Do: func(ctx context.Context, p *Pair) error {
		p.Facts.Fault.Unnamed = true
		return notice.Do(ctx, p)
	}}
}

// AwaitPaused waits until both sides know that their connection is gone.
func AwaitPaused() Step {
	return Step{Name: "await postcopy-paused on both", Do: func(ctx context.Context, p *Pair) error {
		if err := noticePaused().Do(ctx, p); err != nil {
			return err
		}
		return p.Destination.AwaitStatus(ctx, qapi.MigrationPostcopyPaused)
	}}
}

// AwaitStop waits until the guest has stopped on the source.
func AwaitStop() Step {
	return Step{Name: "await STOP", Do: func(ctx context.Context, p *Pair) error {
		_, err := p.Source.Await(ctx, "STOP", named("STOP"))
		return err
	}}
}

// HoldConnection lets nothing pass over the n-th connection, which may be yet to come,
// until the link is released.
func HoldConnection(n int) Step {
	return Step{Name: fmt.Sprintf("hold connection %d", n), Do: func(_ context.Context, p *Pair) error {
		p.tap.link(n).Stall()
		return nil
	}}
}

// StallFor lets nothing pass for so long, and gathers that nothing did.
func StallFor(d time.Duration) Step {
	return Step{Name: fmt.Sprintf("stall the link for %s", d), Do: func(ctx context.Context, p *Pair) error {
		if err := StallLink().Do(ctx, p); err != nil {
			return err
		}
		before := p.tap.passed()
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		// What was being written to a socket when the link was stalled still goes.
		p.measure("passed a stalled link", float64(p.tap.passed()-before), "bytes", record.AtMost(1<<20))
		return nil
	}}
}

// SeeSourceKept demands that the source does not run a guest that has run elsewhere
// since, and that its memory stands.
func SeeSourceKept() Step {
	return Step{Name: "see the source stand", Do: func(ctx context.Context, p *Pair) error {
		before, err := p.counter(ctx, p.Source)
		if err != nil {
			return err
		}
		if p.Facts.Fault.RAM, err = p.workloadOn(ctx, p.Source); err != nil {
			return err
		}
		after, err := p.counter(ctx, p.Source)
		if err != nil {
			return err
		}
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err == nil && (status.Running || before != after) {
			err = fmt.Errorf("the source's run state is %s, and its counter went from %d to %d: it runs a guest that has run on the destination", status.Status, before.Value, after.Value)
		}
		return err
	}}
}
