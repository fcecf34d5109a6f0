package migration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A FailedError says that a migration ended in a status that nobody asked for.
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

// Named matches events with that name.
func Named(name string) func(qmp.Event) bool {
	return func(e qmp.Event) bool { return e.Name == name }
}

// StatusOf returns the status that a MIGRATION event carries, "" for any other.
func StatusOf(e qmp.Event) qapi.MigrationStatus {
	var data qapi.MigrationEvent
	if e.Name != "MIGRATION" || e.Decode(&data) != nil {
		return ""
	}
	return data.Status
}

func ended(status qapi.MigrationStatus) bool {
	return status == qapi.MigrationFailed || status == qapi.MigrationCancelled
}

// Await waits for an event of the present migration. A migration that fails
// or is cancelled ends the wait with a [*FailedError], unless match takes it.
func (s *Side) Await(ctx context.Context, what string, match func(qmp.Event) bool) (qmp.Event, error) {
	return s.AwaitFrom(ctx, s.since, what, match)
}

// AwaitFrom is Await for events from a later place on.
func (s *Side) AwaitFrom(ctx context.Context, from Mark, what string, match func(qmp.Event) bool) (qmp.Event, error) {
	waited := s.run.sampler.wait()
	event, err := s.QMP().WaitFunc(ctx, from, func(e qmp.Event) bool {
		return match(e) || ended(StatusOf(e))
	})
	waited()
	if err != nil && ctx.Err() != nil {
		return event, fmt.Errorf("%w on the %s, %s", waitingFor(ctx, what), s.Name(), s.State(ctx))
	}
	if err != nil {
		return event, fmt.Errorf("waiting for %s on the %s: %w", what, s.Name(), err)
	}
	if match(event) {
		return event, nil
	}
	failed := &FailedError{Side: s.Name(), Status: StatusOf(event)}
	if info, err := qapi.QueryMigrate(ctx, s.QMP()); err == nil {
		failed.Desc = info.ErrorDesc
	}
	if failed.Desc == "" {
		failed.Desc = s.lastLine()
	}
	return event, fmt.Errorf("waiting for %s on the %s: %w", what, s.Name(), failed)
}

// AwaitStatus waits until the present migration reaches the status, and returns the
// event that says so.
func (s *Side) AwaitStatus(ctx context.Context, status qapi.MigrationStatus) (qmp.Event, error) {
	return s.AwaitStatusFrom(ctx, s.since, status)
}

// AwaitStatusFrom is AwaitStatus from a later place on.
func (s *Side) AwaitStatusFrom(ctx context.Context, from Mark, status qapi.MigrationStatus) (qmp.Event, error) {
	return s.AwaitFrom(ctx, from, "status "+string(status), func(e qmp.Event) bool { return StatusOf(e) == status })
}

// ExpectStatus demands that the side calls its migration so, now and with its last
// event.
func (s *Side) ExpectStatus(ctx context.Context, status qapi.MigrationStatus) error {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil {
		return err
	}
	if all := s.Statuses(ctx); info.Status != status || !strings.HasSuffix(all, string(status)) {
		return fmt.Errorf("the %s's migration status is %s, and its events were %q, expected %s last", s.Name(), info.Status, all, status)
	}
	return nil
}

// ExpectRunState demands a run state of a side's guest.
func (s *Side) ExpectRunState(ctx context.Context, state qapi.RunState, why string) error {
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err == nil && status.Status != state {
		err = fmt.Errorf("the %s's guest %s, and its run state is %s", s.Name(), why, status.Status)
	}
	return err
}

// stateTimeout bounds the look at a side that may hang.
const stateTimeout = 2 * time.Second

// State says in a clause what the side reports when a wait is over. It takes 2 seconds at
// most, also where ctx has ended.
func (s *Side) State(ctx context.Context) string {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout)
	defer cancel()
	status, err := qapi.QueryStatus(look, s.QMP())
	if err != nil {
		return "whose monitor no longer answers"
	}
	info, err := qapi.QueryMigrate(look, s.QMP())
	if err != nil {
		return fmt.Sprintf("whose run state is %s, and which does not answer query-migrate", status.Status)
	}
	state := fmt.Sprintf("whose run state is %s, and whose migration status is %q", status.Status, info.Status)
	if info.RAM != nil {
		state += fmt.Sprintf(", %d bytes sent, %d normal and %d zero pages, %d dirty bitmap syncs", info.RAM.Transferred, info.RAM.Normal, info.RAM.Duplicate, info.RAM.DirtySyncCount)
	}
	state += fmt.Sprintf(" (events: %s)", s.Statuses(look))
	if last := s.lastLine(); last != "" {
		state += fmt.Sprintf(", and whose last line of error output is: %s", last)
	}
	return state
}

// Completed waits until the guest has stopped on the source and both sides call the
// migration completed; arrives is how the destination's is waited for.
func (p *Pair) Completed(ctx context.Context, arrives func(ctx context.Context) error) error {
	var left, arrived error
	g, both := errgroup.WithContext(ctx)
	g.Go(func() error { left = p.leaves(both); return left })
	g.Go(func() error { arrived = arrives(both); return arrived })
	err := g.Wait()
	switch {
	case err == nil && p.Facts.Replaced: // what the source announced is all that there is of it
		return nil
	case err == nil:
		_, err = p.settled(ctx, p.Source)
	case ctx.Err() != nil && left != nil && arrived != nil: // the one may hang for the other does
		err = fmt.Errorf("%w; %w", left, arrived)
	}
	if err != nil {
		return err
	}
	return p.NoteMigration(ctx)
}

// leaves waits until the source has stopped its guest, if that ever ran, and calls the
// migration completed.
func (p *Pair) leaves(ctx context.Context) error {
	if p.Facts.Unlaunched {
		_, err := p.Source.AwaitStatus(ctx, qapi.MigrationCompleted)
		return err
	}
	return p.Source.Completes(ctx, "STOP")
}

// Completes waits for an event, and then until the side calls the migration completed.
func (s *Side) Completes(ctx context.Context, event string) error {
	if _, err := s.Await(ctx, event, Named(event)); err != nil {
		return err
	}
	_, err := s.AwaitStatus(ctx, qapi.MigrationCompleted)
	return err
}
