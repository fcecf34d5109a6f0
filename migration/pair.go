package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// The two sides of a pair.
const (
	SourceName      = "source"
	DestinationName = "destination"
)

// A Side is one of the two VMs of a migration.
type Side struct {
	*launcher.VM
	Facts *record.SideFacts

	role string // SourceName or DestinationName, which may change in a story

	since      qmp.Mark      // where the log of the present migration begins
	recovering qmp.Mark      // and that of the present attempt to recover
	lent       []os.FileInfo // files that it was given for the migration

	gaveUp bool      // it ended by itself, as the story wants it
	began  resources // when it had been started

	schemas *schemas
}

// Name is the side that it is at present.
func (s *Side) Name() string { return s.role }

// A Pair is what the steps of a story work on. Steps run one after another,
// and only they change it.
type Pair struct {
	Source      *Side
	Destination *Side // nil where the scenario has no guest
	Program     fixtures.Program
	Facts       *record.Record

	run         *run
	uri         string // where the destination listens
	channel     bool   // the source is told as a channel
	tap         *tap
	starting    *starting      // the destination, where the story starts it
	paced       sample         // of the link, when the throughput was noted last
	speedBefore float64        // of the guest, in rounds a second
	dirtied     float64        // by the guest, in bytes a second
	filled      int            // bytes that a step gave data
	resources   resources      // of the source, after an earlier migration
	held        []int          // sockets that keep others waiting
	fileSet     string         // the set that the stream's file was lent in, where it was
	planted     []canary       // in devices of the source
	asleep      record.Reading // the counter when the guest fell asleep on the source
	woken       int64          // the place on the destination's console from which on the guest, woken there, goes on
	stopped     time.Time      // when the destination was, in the end
	sums        sums           // of its memory then
	kept        sums           // of memory that nobody writes, before the migration
}

// path is that of a file in the run's private folder, short enough for a socket's.
func (p *Pair) path(name string) string { return filepath.Join(p.run.private.Path(), name) }

// Sides returns those that there are.
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

// start brings up the VMs that the scenario works on: the source with the
// guest program, the destination waiting to be told where to listen.
func start(s Scenario) Step {
	return Step{Name: "start", Do: func(ctx context.Context, p *Pair) error {
		r := p.run
		if s.HandOver || s.Accel != "" {
			if err := r.needBare(ctx, p, s); err != nil {
				return err
			}
		}
		if err := r.settleGlobals(ctx, p); err != nil {
			return err
		}
		if err := r.shareRAM(p); err != nil {
			return err
		}
		source, destination := r.config(SourceName), r.config(DestinationName)
		g := new(errgroup.Group)
		g.Go(func() (err error) { p.Source, err = p.launch(ctx, source, p.Facts.Source); return })
		switch {
		case s.Ends == record.NoGuest:
			p.Program = fixtures.Program{}
		case !s.HandOver:
			p.Facts.Destination = &record.SideFacts{}
			g.Go(func() (err error) { p.Destination, err = p.launch(ctx, destination, p.Facts.Destination); return })
		}
		if err := g.Wait(); err != nil {
			return &StartError{err}
		}
		return r.needQEMU(ctx, p, s)
	}}
}

// FreshDestination starts another destination in place of one that has given up.
func FreshDestination() Step {
	return Step{Name: "start a fresh destination", Do: func(ctx context.Context, p *Pair) (err error) {
		_ = p.Destination.Close()
		if err := p.run.keepLogs(DestinationName, "first"); err != nil {
			return err
		}
		p.Facts.Destination = &record.SideFacts{}
		p.Destination, err = p.launch(ctx, p.run.config(DestinationName), p.Facts.Destination)
		return err
	}}
}

// StartError says that a scenario could not begin, for its QEMUs did not come up.
type StartError struct{ Cause error }

func (e *StartError) Error() string { return e.Cause.Error() }
func (e *StartError) Unwrap() error { return e.Cause }

// launch starts one side. A VM lives as long as the run, not the step.
func (p *Pair) launch(ctx context.Context, c launcher.Config, facts *record.SideFacts) (*Side, error) {
	return p.launchFor(ctx, p.run.ctx, c, facts)
}

// launchFor starts one side, which lives as long as life.
func (p *Pair) launchFor(ctx, life context.Context, c launcher.Config, facts *record.SideFacts) (*Side, error) {
	vm, err := launcher.Launch(life, c)
	if err != nil {
		return nil, err
	}
	v := vm.QMP().Greeting().Version
	*facts = record.SideFacts{
		Binary: vm.Binary(), Version: fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro), Package: v.Package,
		CommandLine: vm.ShellCommand(),
	}
	side := &Side{VM: vm, Facts: facts, role: c.Name, schemas: &p.run.schemas}
	if err := vm.SaveCommand(p.run.dir); err != nil {
		return side, err
	}
	if err := qapi.SetMigrateCapabilities(ctx, vm.QMP(), map[string]bool{"events": true}); err != nil {
		return side, err
	}
	side.began, err = side.resources()
	return side, err
}

// tell sends a command whose reply carries nothing.
func (s *Side) tell(ctx context.Context, command string, arguments any) error {
	return s.QMP().Execute(ctx, command, arguments, nil)
}

// FailedError says that a migration ended in a status that nobody asked for.
type FailedError struct {
	Side   string
	Status qapi.MigrationStatus
	Desc   string // QEMU's own sentence, where it gave one
}

func (e *FailedError) Error() string {
	if e.Desc == "" {
		return fmt.Sprintf("the %s's migration status is %s", e.Side, e.Status)
	}
	return fmt.Sprintf("the %s's migration status is %s: %s", e.Side, e.Status, e.Desc)
}

// named matches events with that name.
func named(name string) func(qmp.Event) bool {
	return func(e qmp.Event) bool { return e.Name == name }
}

// statusOf returns the status that a MIGRATION event carries, "" for any other.
func statusOf(e qmp.Event) qapi.MigrationStatus {
	var data struct {
		Status qapi.MigrationStatus `json:"status"`
	}
	if e.Name != "MIGRATION" || e.Decode(&data) != nil {
		return ""
	}
	return data.Status
}

// announced are the statuses of the side's MIGRATION events, in their order.
func (s *Side) announced(ctx context.Context) string {
	events, _ := s.events(ctx)
	var all []string
	for _, e := range events {
		if status := statusOf(qmp.Event{Name: e.Name, Data: e.Data}); status != "" {
			all = append(all, string(status))
		}
	}
	return strings.Join(all, " ")
}

// Await waits for an event of the present migration. A migration that fails
// or is cancelled ends the wait with a *FailedError, unless match takes it.
func (s *Side) Await(ctx context.Context, what string, match func(qmp.Event) bool) (qmp.Event, error) {
	return s.AwaitFrom(ctx, s.since, what, match)
}

// AwaitFrom is Await for events from a later place on.
func (s *Side) AwaitFrom(ctx context.Context, from qmp.Mark, what string, match func(qmp.Event) bool) (qmp.Event, error) {
	event, err := s.QMP().WaitFunc(ctx, from, func(e qmp.Event) bool {
		return match(e) || ended(statusOf(e))
	})
	if err != nil && ctx.Err() != nil {
		return event, fmt.Errorf("waiting in vain for %s on the %s, %s: %w", what, s.Name(), s.isAt(ctx), context.Cause(ctx))
	}
	if err != nil {
		return event, fmt.Errorf("waiting for %s on the %s: %w", what, s.Name(), err)
	}
	if match(event) {
		return event, nil
	}
	failed := &FailedError{Side: s.Name(), Status: statusOf(event)}
	if info, err := qapi.QueryMigrate(ctx, s.QMP()); err == nil {
		failed.Desc = info.ErrorDesc
	}
	if failed.Desc == "" {
		failed.Desc = s.lastWords()
	}
	return event, fmt.Errorf("waiting for %s on the %s: %w", what, s.Name(), failed)
}

// lastWords is the last line of the side's error output.
func (s *Side) lastWords() string {
	lines := strings.Split(strings.TrimSpace(s.Stderr()), "\n")
	return lines[len(lines)-1]
}

// isAtPatience bounds the look at a side that may hang.
const isAtPatience = 2 * time.Second

// isAt says in a clause what the side says of itself when a wait is over.
func (s *Side) isAt(ctx context.Context) string {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), isAtPatience)
	defer cancel()
	status, err := qapi.QueryStatus(look, s.QMP())
	if err != nil {
		return "whose monitor does not answer any more"
	}
	info, err := qapi.QueryMigrate(look, s.QMP())
	if err != nil {
		return fmt.Sprintf("whose run state is %s, and which does not answer query-migrate", status.Status)
	}
	said := fmt.Sprintf("whose run state is %s, and whose query-migrate says %q", status.Status, info.Status)
	if info.RAM != nil {
		said += fmt.Sprintf(", %d bytes sent, %d whole and %d zero pages, %d dirty bitmap syncs", info.RAM.Transferred, info.RAM.Normal, info.RAM.Duplicate, info.RAM.DirtySyncCount)
	}
	said += fmt.Sprintf(" (events said: %s)", s.announced(look))
	if words := s.lastWords(); words != "" {
		said += fmt.Sprintf(", and which printed last: %s", words)
	}
	return said
}

func ended(status qapi.MigrationStatus) bool {
	return status == qapi.MigrationFailed || status == qapi.MigrationCancelled
}

// AwaitStatus waits until the present migration reaches the status.
func (s *Side) AwaitStatus(ctx context.Context, status qapi.MigrationStatus) error {
	_, err := s.statusEvent(ctx, s.since, status)
	return err
}

// statusEvent waits for the event that says so, from a place on.
func (s *Side) statusEvent(ctx context.Context, from qmp.Mark, status qapi.MigrationStatus) (qmp.Event, error) {
	return s.AwaitFrom(ctx, from, "status "+string(status), func(e qmp.Event) bool { return statusOf(e) == status })
}

// pollEvery is the pause between two looks at something that QEMU has no event for.
const pollEvery = time.Millisecond

// poll looks until there is what was looked for, or the context ends.
func poll(ctx context.Context, what string, look func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		found, err := look()
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
		if found || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
}

// closeAll ends what is still alive of a pair. Where the story has failed, all that was to
// be seen has been seen, and QEMU may hang: it isn't asked.
func (p *Pair) closeAll() {
	defer p.tap.close()
	defer p.starting.end()
	p.dropHeld()
	var all sync.WaitGroup
	for _, s := range p.Sides() {
		end := s.Close
		if p.Facts.Error != "" {
			end = s.Kill
		}
		all.Go(func() { _ = end() })
	}
	all.Wait()
}
