package migration

import (
	"context"
	"fmt"
	"math"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// A postcopy that lost its connection goes on over another.
func recovery() []Scenario {
	return []Scenario{postcopyRecovery, postcopyPreempt, postcopyPreemptRecovery}
}

var postcopyRecovery = Scenario{
	Name:  "postcopy/recovery/plain",
	Doc:   "the connection breaks while the guest runs without all its RAM; the rest goes over another",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		Enable(PostcopyRAM), Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), StartPostcopy(),
		BreakPostcopy(), ListenAgain(), Resume(), Set(MaxPostcopyBandwidth, 0),
		AwaitSwitchover(), SeePostcopy(),
	},
}

var postcopyPreempt = Scenario{
	Name:  "postcopy/preempt/plain",
	Doc:   "pages that the guest waits for have a connection of their own",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}, {Capability: PostcopyPreempt}},
	Story: Steps{
		Enable(PostcopyRAM), Enable(PostcopyPreempt),
		Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1), StartPostcopy(),
		AwaitUrgent(), Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy(), SeePreemptChannel(urgent),
	},
}

var postcopyPreemptRecovery = Scenario{
	Name:  "postcopy/preempt/recovery/plain",
	Doc:   "both connections break while the guest runs without all its RAM; the rest goes over two others",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}, {Capability: PostcopyPreempt}},
	Story: Steps{
		Enable(PostcopyRAM), Enable(PostcopyPreempt),
		Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), StartPostcopy(),
		BreakPostcopy(), ListenAgain(), Resume(), Set(MaxPostcopyBandwidth, 0),
		AwaitSwitchover(), SeePostcopy(),
	},
}

// BreakPostcopy breaks the connection once the guest runs on the destination, and
// waits until both sides have noticed. Earlier, a destination that is still loading
// would end with an error.
func BreakPostcopy() Step {
	return Step{Name: "migrate-pause", Do: func(ctx context.Context, p *Pair) error {
		_, err := p.Destination.Await(ctx, "RESUME", named("RESUME"))
		if err != nil {
			return err
		}
		// Since 10.2 the source learns of it, and may be told to pause only then.
		if err := p.Source.AwaitStatus(ctx, qapi.MigrationPostcopyActive); err != nil {
			return err
		}
		if err := qapi.MigratePause(ctx, qapi.OOB(p.Source.QMP())); err != nil {
			return err
		}
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error {
			return s.AwaitStatus(ctx, qapi.MigrationPostcopyPaused)
		})
	}}
}

// ListenAgain makes a destination that lost its connection listen at another address.
// Its monitor may hang on a page that is missing, so it is told out of band.
func ListenAgain() Step {
	return Step{Name: "migrate-recover", Do: func(ctx context.Context, p *Pair) error {
		p.Facts.Recoveries++
		p.uri = "unix:" + p.path(fmt.Sprintf("recovery%d.sock", p.Facts.Recoveries))
		for _, s := range p.Sides() {
			s.recovering = s.QMP().Mark()
		}
		return qapi.MigrateRecover(ctx, qapi.OOB(p.Destination.QMP()), p.uri)
	}}
}

// Resume makes the source go on where the destination listens now, and waits until
// it recovers.
func Resume() Step {
	return Step{Name: "resume over another connection", Do: func(ctx context.Context, p *Pair) error {
		if err := p.resume(ctx, p.uri); err != nil {
			return err
		}
		if p.Source.needSchema(ctx, recoverySetup) == nil {
			if _, err := p.Source.awaitRecovery(ctx, qapi.MigrationRecoverSetup); err != nil {
				return err
			}
		}
		_, err := p.Source.awaitRecovery(ctx, qapi.MigrationPostcopyRecover)
		return err
	}}
}

func (p *Pair) resume(ctx context.Context, uri string) error {
	return qapi.Migrate(ctx, p.Source.QMP(), qapi.MigrateArguments{URI: uri, Resume: true})
}

// awaitRecovery waits until the present attempt to recover comes to the status.
func (s *Side) awaitRecovery(ctx context.Context, status qapi.MigrationStatus) (qmp.Event, error) {
	return s.statusEvent(ctx, s.recovering, status)
}

// SeePostcopy gathers that the guest waited for pages and was sent them.
func SeePostcopy() Step {
	return Step{Name: "see that pages were asked for", Do: func(ctx context.Context, p *Pair) error {
		info, err := p.migrationInfo()
		if err != nil {
			return err
		}
		p.measure("pages that the guest waited for", float64(info.RAM.PostcopyRequests), "pages", record.AtLeast(1))
		return nil
	}}
}

// urgent is more than any handshake takes: pages.
const urgent = 4 * pageSize

// AwaitUrgent waits until pages that the guest waits for have gone over the connection
// that is for them, while next to nothing is sent unasked.
func AwaitUrgent() Step {
	return Step{Name: "await urgent pages", Do: func(ctx context.Context, p *Pair) error {
		return poll(ctx, "pages to go over the preempt channel", func() (bool, error) {
			return p.tap.link(2).Forward.Bytes() >= urgent, nil
		})
	}}
}

// SeePreemptChannel gathers that there was a second connection, and how much went over
// it at least.
func SeePreemptChannel(atLeast float64) Step {
	return Step{Name: "see what went over the preempt channel", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		least := math.Inf(1)
		for _, c := range p.Facts.Link.Connections {
			least = min(least, float64(c.Forward))
		}
		p.measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(2))
		p.measure("sent over the less used connection", least, "bytes", record.AtLeast(atLeast))
		return nil
	}}
}
