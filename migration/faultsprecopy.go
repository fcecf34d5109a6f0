package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

// Each hurts the stream, or who takes it, on its way. A guest that has not moved by
// then stays where it is and loses nothing, and moves at the second attempt; one that
// has moved waits until the rest of its RAM can come another way.
func linkFaults() []Scenario {
	return slices.Concat(
		[]Scenario{
			faultCutSetup, faultCutActive, faultCutPreSwitchover, faultCutSwitchover, faultCutTLS, faultCutMultifd, faultCutMultifdBusy,
			faultTruncateActive, faultTruncateSwitchover, faultStallActive, faultSlowActive,
		},
		corrupted(),
		[]Scenario{faultKillSetup, faultKillActive, faultKillPreSwitchover, faultKillPostcopy, faultResetActive},
		[]Scenario{faultCutPostcopy, faultCorruptPostcopy, faultStallPostcopy, faultSlowPreempt},
	)
}

// inFirstPass is a place in the middle of a page, in the middle of the first pass over
// RAM.
const inFirstPass = 20*MB + 1234

// ReturnPath lets the destination tell the source whether the guest has arrived.
const ReturnPath Capability = "return-path"

// injured begins to move a busy guest, over a link on which its n-th connection is
// hurt, and waits until it has been.
func injured(over Transport, n int, f link.Fault) Steps {
	return Steps{
		unhurried(), Set(MaxBandwidth, 200*MB),
		Boot(), Listen(over), Tap(), injure(n, f), Migrate(), AwaitFault(),
	}
}

// injuredSwitchover is the same for a guest that stops in time, and a source that
// waits for the destination's word before it lets go of it.
func injuredSwitchover(f link.Fault) Steps {
	return Steps{
		Enable(ReturnPath), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Tap(), injure(1, f), Migrate(), AwaitFault(),
	}
}

// stays gathers what has become of a guest whose migration failed, and starts another
// destination in place of one that gave up.
func stays() Steps {
	return Steps{AwaitNotice(qapi.MigrationFailed), SourceRunsOn(), SourceIntact(), DestinationGivesUp(), FreshDestination()}
}

// returns is the same for a guest that stood for switchover. First comes what else is to
// be seen of it: to see its RAM it is stopped, and to continue would mend some faults.
func returns(first ...Step) Steps {
	return slices.Concat(
		Steps{AwaitNotice(qapi.MigrationFailed), AwaitReturn(), SourceRunsOn()}, first,
		Steps{SourceIntact(), DestinationGivesUp(), FreshDestination()},
	)
}

// bereft is the same where the destination was killed, or can't be waited for: where
// one of several channels closes, 5.2's and 7.2's hangs for ever.
func bereft() Steps {
	return Steps{AwaitNotice(qapi.MigrationFailed), SourceRunsOn(), SourceIntact(), EndDestination(), FreshDestination()}
}

// The first section that a PC sends of its devices is that of its timers.
const deviceSection = "\x05timer"

var faultCutSetup = Scenario{
	Name:  "fault/cut/setup",
	Doc:   "the connection closes before anything has come over it",
	Story: slices.Concat(injured(TCP, 1, link.Fault{Do: link.Cut}), stays(), move()),
}

var faultCutActive = Scenario{
	Name:  "fault/cut/active",
	Doc:   "the connection closes in the middle of a page",
	Story: slices.Concat(injured(TCP, 1, link.Fault{At: inFirstPass, Do: link.Cut}), stays(), move()),
}

var faultCutPreSwitchover = Scenario{
	Name:  "fault/cut/pre-switchover",
	Doc:   "the connection closes while the guest stands for switchover: it runs on",
	Needs: []Need{{Capability: PauseBefore}},
	Story: slices.Concat(
		Steps{
			Enable(PauseBefore), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
			Boot(), Listen(TCP), Tap(), Migrate(), AwaitStatus(qapi.MigrationPreSwitchover),
			CutLink(), SwitchOver(),
		},
		returns(), Steps{Disable(PauseBefore)}, move(),
	),
}

var faultCutSwitchover = Scenario{
	Name:  "fault/cut/switchover",
	Doc:   "the connection closes while devices are sent: the guest runs on, as the destination never said that it has it",
	Needs: []Need{PC, {Capability: ReturnPath}},
	Story: slices.Concat(injuredSwitchover(link.Fault{After: deviceSection, Do: link.Cut}), returns(), move()),
}

var faultCutTLS = Scenario{
	Name:  "fault/cut/tls",
	Doc:   "an encrypted connection closes in the middle of a record",
	Needs: []Need{TLS},
	Story: slices.Concat(
		Steps{UsePSK(false)}, injured(TCP, 1, link.Fault{At: inFirstPass, Do: link.Cut}), stays(),
		// To encrypt takes time, and this is not about convergence.
		Steps{UseSamePSK(), atAnyDowntime(), Set(MaxBandwidth, 1*GB), Listen(TCP), Migrate(), AwaitSwitchover()},
	),
}

// othersDone is when no channel does anything any more because one is stalled: QEMU goes
// on until it waits for all, 0.1 s later at most.
const othersDone = 300 * time.Millisecond

// A channel that ends makes the others end. 7.2's source then waits for ever for one that
// has ended before it said that it had sent all, and 5.2's for one that can't send, as
// the destination waits for the first. So they have sent all here.
var faultCutMultifd = Scenario{
	Name:  "fault/cut/multifd-channel",
	Doc:   "one of the four channels closes",
	Needs: []Need{{Capability: Multifd}},
	Story: slices.Concat(
		WithMultifd(), injured(TCP, 3, link.Fault{At: 3*MB + 1, Do: link.Stall}),
		Steps{DropOthers(3), AwaitLull(othersDone), CutConnection(3), ExpectTwice()}, bereft(),
		WithMultifd(), move(),
	),
}

var faultCutMultifdBusy = Scenario{
	Name:  "fault/cut/multifd-channel/busy",
	Doc:   "one of the four channels closes while all have pages to send",
	Needs: []Need{{Capability: Multifd}, {Gone: 10, What: "a source that loses one of its busy channels may wait for another for ever"}},
	Story: slices.Concat(
		WithMultifd(), injured(TCP, 3, link.Fault{At: 3*MB + 1, Do: link.Cut}),
		Steps{ExpectTwice()}, bereft(),
		WithMultifd(), move(),
	),
}

var faultTruncateActive = Scenario{
	Name:  "fault/truncate/active",
	Doc:   "the stream ends in the middle of a page, as if that was all",
	Story: slices.Concat(injured(Unix, 1, link.Fault{At: inFirstPass, Do: link.Truncate}), stays(), move()),
}

var faultTruncateSwitchover = Scenario{
	Name:  "fault/truncate/switchover",
	Doc:   "the stream ends between devices: all was sent, and the destination says that it has not got it",
	Needs: []Need{PC, {Capability: ReturnPath}},
	Story: slices.Concat(injuredSwitchover(link.Fault{After: deviceSection, Do: link.Truncate}), returns(), move()),
}

var faultStallActive = Scenario{
	Name: "fault/stall/active",
	Doc:  "nothing passes for a while: the guest runs on, and moves when it can",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Tap(), injure(1, link.Fault{At: inFirstPass, Do: link.Stall}), Migrate(), AwaitFault(),
		SourceRunsOn(), SeeStatus(qapi.MigrationActive), SeeStalled(), ForgetFault(), ReleaseLink(),
		AwaitPass(1), atAnyDowntime(), AwaitSwitchover(),
	},
}

var faultSlowActive = Scenario{
	Name: "fault/slow/active",
	Doc:  "a link that is slower than QEMU may send: the downtime is reckoned from what it takes, not from what is allowed",
	Story: Steps{
		letConverge(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Tap(), SlowLink(40 * MB), Migrate(), AwaitSent(30 * MB), SeeNoSwitchover(),
		ReleaseLink(), atAnyDowntime(), AwaitSwitchover(),
	},
}

// corrupted are faults in bytes that QEMU can't but notice.
func corrupted() []Scenario {
	var all []Scenario
	for _, c := range []struct {
		name, doc string
		fault     link.Fault
	}{
		{"magic", "what every stream begins with", link.Fault{At: 0}},
		{"version", "the stream's version", link.Fault{At: 4}},
		{"section", "the name of the section that RAM comes in", link.Fault{After: "\x03ra"}},
		{"section-version", "the version of the section that RAM comes in", link.Fault{After: "\x03ram", At: 4}},
		{"block", "the size of the guest's RAM", link.Fault{After: ".ram\x00\x00\x00\x00"}},
		{"footer", "what the first section ends with", link.Fault{After: "\x00\x00\x00\x00\x00\x00\x00\x10"}},
	} {
		c.fault.Do = link.Flip
		all = append(all, Scenario{
			Name: "fault/corrupt/" + c.name, Doc: "a byte is changed: " + c.doc,
			Story: slices.Concat(injured(TCP, 1, c.fault), stays(), move()),
		})
	}
	return append(all, Scenario{
		Name: "fault/corrupt/device", Doc: "a byte is changed in the name of a device's section: the guest runs on where it was",
		Needs: []Need{PC, {Capability: ReturnPath}},
		Story: slices.Concat(injuredSwitchover(link.Fault{After: "\x05time", Do: link.Flip}), returns(), move()),
	})
}

var faultKillSetup = Scenario{
	Name: "fault/kill-dest/setup",
	Doc:  "the destination dies before anything has come",
	Story: slices.Concat(
		Steps{
			unhurried(), Set(MaxBandwidth, 200*MB), Boot(), Listen(TCP), Tap(), StallLink(), Migrate(),
			KillDestination(), ReleaseLink(),
		},
		bereft(), move(),
	),
}

var faultKillActive = Scenario{
	Name: "fault/kill-dest/active",
	Doc:  "the destination dies while RAM is sent",
	Story: slices.Concat(
		Steps{
			unhurried(), Set(MaxBandwidth, 200*MB),
			Boot(), Listen(TCP), Migrate(), AwaitPass(1), KillDestination(),
		},
		bereft(), move(),
	),
}

var faultKillPreSwitchover = Scenario{
	Name:  "fault/kill-dest/pre-switchover",
	Doc:   "the destination dies while the guest stands for switchover: it runs on",
	Needs: []Need{{Capability: PauseBefore}},
	Story: slices.Concat(
		Steps{
			Enable(PauseBefore), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
			Boot(), Listen(TCP), Migrate(), AwaitStatus(qapi.MigrationPreSwitchover),
			KillDestination(), SwitchOver(),
			AwaitNotice(qapi.MigrationFailed), AwaitReturn(), SourceRunsOn(), SourceIntact(), FreshDestination(), Disable(PauseBefore),
		},
		move(),
	),
}

var faultResetActive = Scenario{
	Name:  "fault/kill-src-link/active",
	Doc:   "both ends of the connection are told that it is no more",
	Story: slices.Concat(injured(TCP, 1, link.Fault{At: inFirstPass, Do: link.Reset}), stays(), move()),
}

// ExpectTwice allows the source to say that a channel failed, and that the migration did.
func ExpectTwice() Step {
	return Step{Name: "expect to be told twice", Do: func(_ context.Context, p *Pair) error {
		p.Facts.Fault.Twice = true
		return nil
	}}
}

// SwitchOver lets a migration go on that waits before it switches over.
func SwitchOver() Step {
	return Step{Name: "migrate-continue", Do: func(ctx context.Context, p *Pair) error {
		return qapi.MigrateContinue(ctx, p.Source.QMP(), qapi.MigrationPreSwitchover)
	}}
}

// UseSamePSK gives a fresh destination the key that the first one had.
func UseSamePSK() Step {
	return Step{Name: "use the same pre-shared key", Do: func(ctx context.Context, p *Pair) error {
		return p.Destination.useTLS(ctx, "tls-creds-psk", p.path(DestinationName+"-tls"), "")
	}}
}

// SeeStalled gathers that nothing has passed a link since it was stalled.
func SeeStalled() Step {
	return Step{Name: "see that nothing passes", Do: func(_ context.Context, p *Pair) error {
		p.measure("passed a link that was to stall at byte 20001234", float64(p.tap.sent()), "bytes", record.Exactly(inFirstPass))
		return nil
	}}
}

// ForgetFault is for a fault that the migration survives.
func ForgetFault() Step {
	return Step{Name: "forget the fault", Do: func(_ context.Context, p *Pair) error {
		p.Facts.Fault = nil
		return nil
	}}
}

// SeeNoSwitchover demands that the guest has not stopped on the source for good.
func SeeNoSwitchover() Step {
	return Step{Name: "see no switchover", Do: func(ctx context.Context, p *Pair) error {
		events, _ := p.Source.events(ctx)
		for _, e := range events {
			if e.Name == "STOP" && !e.Time.Before(p.Source.Facts.Began) {
				return fmt.Errorf("the source stopped its guest with %d bytes gone over a link of 40 MB/s, and that can't be within the downtime limit", p.tap.sent())
			}
		}
		return nil
	}}
}
