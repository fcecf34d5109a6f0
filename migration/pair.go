package migration

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/internal/canary"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// A Pair is what the steps of a run work on. Steps run one after another,
// and only they change it.
type Pair struct {
	Source      *Side
	Destination *Side // nil where the scenario has none, or none yet
	Program     fixtures.Program
	Facts       *record.Record
	// URI is where the source is to migrate to: where the destination listens, or what
	// is in front of it.
	URI string
	// LinkSent is how many bytes went over a link between the sides, nil where none is
	// tapped. It is called beside the steps.
	LinkSent func() int64

	run       *run
	costs     costs
	completed time.Time // when the source called the last migration so
	slots     map[any]any
	cleanups  []func()
	gather    []func()
	canaries  []canary.Canary // in devices of the source
	stopped   time.Time       // when the destination was, in the end
	sums      *ram.Sums       // of its memory then
	arrival   *arrival        // of the source at the destination, over TCP; nil where it is not watched
	unsure    string          // who else may be to blame; "" for nobody
	before    before          // what the source was like before it migrated
	kept      *ram.Copy       // of the source's memory, where that is not to be had in the end
}

// Sides returns those that there are, the source first.
func (p *Pair) Sides() []*Side {
	var sides []*Side
	for _, s := range []*Side{p.Source, p.Destination} {
		if s != nil {
			sides = append(sides, s)
		}
	}
	return sides
}

// OnBoth does the same on all sides at once, and returns the first error,
// which ends the context of the other.
func (p *Pair) OnBoth(ctx context.Context, do func(ctx context.Context, s *Side) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range p.Sides() {
		g.Go(func() error { return do(ctx, s) })
	}
	return g.Wait()
}

// Defer has do called when the run ends, however it does: after the VMs have ended, the
// last that was deferred first.
func (p *Pair) Defer(do func()) { p.cleanups = append(p.cleanups, do) }

// OnGather has do called whenever facts are gathered about both sides: when the steps are
// done, or one has failed. It may be called more than once.
func (p *Pair) OnGather(do func()) { p.gather = append(p.gather, do) }

// Measure adds a measured quantity to the facts, with the bounds that it has to keep.
func (p *Pair) Measure(what string, value float64, unit string, bounds record.Bounds) {
	p.Facts.Measures = append(p.Facts.Measures, record.Measure{What: what, Value: value, Unit: unit, Bounds: bounds})
}

// Counter reads a byte that the guest program changes all the time, through qtest. It is
// an error where the guest is Linux, which has none.
func (p *Pair) Counter(ctx context.Context, s *Side) (record.Reading, error) {
	if p.Linux() != nil {
		return record.Reading{}, errNoCounter
	}
	at := p.Program.Counter()
	value, err := s.QTest().Readb(ctx, at)
	return record.Reading{Address: at, Value: value}, err
}

// RAMBytes is how much RAM the guest has, in bytes, by QEMU's own account.
func (p *Pair) RAMBytes() uint64 { return p.Facts.RAMBytes }

// AsDescribed says that the VMs are those of the scenario: nobody has given arguments of
// their own, or another accelerator than TCG.
func (p *Pair) AsDescribed() bool {
	o := p.run.options
	return o.Accel == "tcg" && len(o.Args)+len(o.SourceArgs)+len(o.DestinationArgs) == 0
}

// Workload is what the range that the guest program works on holds on a side, whose guest
// is paused.
func (p *Pair) Workload(ctx context.Context, s *Side) (*record.WorkloadFacts, error) {
	set, err := ram.Open(ctx, p.Program, s.VM)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	return set.Workload(p.Program)
}

// ListenOn makes the destination listen for the migration: the arguments are those of
// migrate-incoming, a qapi.IncomingArguments or whatever becomes such JSON. The source
// gets its address with MigrateTo.
func (p *Pair) ListenOn(ctx context.Context, arguments any) error {
	p.Destination.since = p.Destination.QMP().Mark()
	return p.Destination.Execute(ctx, "migrate-incoming", arguments)
}

// MigrateTo makes the source begin to migrate, once nothing is left of a migration that it
// made before: the arguments are those of migrate, a qapi.MigrateArguments or whatever
// becomes such JSON.
func (p *Pair) MigrateTo(ctx context.Context, arguments any) error {
	if !p.Source.Facts.Began.IsZero() {
		if err := p.Source.awaitCleanup(ctx); err != nil {
			return err
		}
	}
	if err := p.noteBefore(ctx); err != nil {
		return err
	}
	p.awaitNonzero(ctx)
	if p.Source.since = p.Source.QMP().Mark(); !p.Source.Facts.Stopped.IsZero() {
		p.Source.since = p.Source.stoppedSince
	}
	p.Source.Facts.Began = time.Now()
	p.watchArrival(ctx, arguments)
	if err := p.checkStrangers(ctx); err != nil {
		return err
	}
	p.Facts.KnownBug = p.knownBug()
	for _, s := range p.Sides() {
		s.Facts.SaidBefore = s.Stderr()
	}
	p.run.sampler.of(p)
	p.beginCosts()
	return p.migrate(ctx, arguments)
}

// nearlyZero is from which value on the workload's bytes are zero soon: they count modulo
// 256, and all are zero together for a while.
const nearlyZero = 250

// nonzeroTimeout is how long that may take to pass: half a second for a PC under TCG; and
// stillTimeout how long one value may stay, before the guest is taken for one that does not run.
const (
	nonzeroTimeout = 2 * time.Second
	stillTimeout   = 300 * time.Millisecond
)

// awaitNonzero waits until the workload is not made of zero pages, and will not be for a few
// tenths of a second. Those take no time to send, and a QEMU of 10.0 whose first pass is over
// within a tenth of a second has not measured how fast it sends yet: that pass is the last,
// whatever the downtime limit. A guest that does not run has the pages that it has.
func (p *Pair) awaitNonzero(ctx context.Context) {
	if p.Program.End == 0 {
		return
	}
	wait, cancel := p.AtMost(ctx, nonzeroTimeout)
	defer cancel()
	var last record.Reading
	since := time.Now()
	_ = Poll(wait, "the workload to be nonzero", func() (bool, error) { // as it is, else
		now, err := p.Counter(wait, p.Source)
		if now.Value != last.Value {
			last, since = now, time.Now()
		}
		nonzero := 0 < now.Value && now.Value < nearlyZero
		return nonzero || time.Since(since) > p.run.stretch(stillTimeout), err
	})
}

// StopSource stops the source's guest, before it is migrated: events of the migration that
// comes are looked for from here on.
func (p *Pair) StopSource(ctx context.Context) error {
	p.Source.stoppedSince, p.Source.Facts.Stopped = p.Source.QMP().Mark(), time.Now()
	return qapi.Stop(ctx, p.Source.QMP())
}

// SourceStopped notes that the source's guest was stopped by something else than a command,
// after that mark and time and before it is migrated, and demands that it is in that state.
func (p *Pair) SourceStopped(ctx context.Context, state qapi.RunState, since Mark, at time.Time) error {
	stop, err := p.Source.AwaitFrom(ctx, since, "STOP", Named("STOP"))
	if err != nil {
		return err
	}
	// Whoever stops a guest may have let it run for a moment before: what counts is after that.
	events, _ := p.Source.Events(ctx)
	for _, e := range events {
		if e.Name == "RESUME" && !e.Time.Before(at) {
			at, since = e.Time.Add(1), stop.Next()
		}
	}
	p.Source.stoppedSince, p.Source.Facts.Stopped = since, at
	return p.Source.ExpectRunState(ctx, state, "was to be in "+string(state))
}

// ContinueSource lets the source's guest run.
func (p *Pair) ContinueSource(ctx context.Context) error {
	p.Source.stoppedSince, p.Source.Facts.Stopped = 0, time.Time{}
	return qapi.Cont(ctx, p.Source.QMP())
}

// closeAll ends what is still alive of a pair. Where a step has failed, all that was to
// be seen has been seen, and QEMU may hang: it isn't asked.
func (p *Pair) closeAll() {
	p.arrival.end()
	var all sync.WaitGroup
	failed := slices.ContainsFunc(p.Facts.Steps, func(s record.StepFacts) bool { return s.Error != "" })
	for _, s := range p.Sides() {
		end := s.Close
		if failed { // nobody waits for what may not answer
			end = s.Kill
		}
		all.Go(func() { _ = end() })
	}
	all.Wait()
	for n := len(p.cleanups) - 1; n >= 0; n-- {
		p.cleanups[n]()
	}
}
