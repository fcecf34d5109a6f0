package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
)

// Each gives a migration up in another phase; then the guest moves after all.
func cancel() []Scenario {
	return []Scenario{
		cancelAfterNone, cancelAfterSetup, cancelAfterActive, cancelAfterPreSwitchover,
		cancelAfterCancelled, cancelAfterFailed, cancelAfterCompleted,
	}
}

// move brings the guest to the destination that there is now.
func move() Steps {
	return Steps{atAnyDowntime(), Set(MaxBandwidth, 1*GB), Listen(TCP), Migrate(), AwaitSwitchover()}
}

var cancelAfterNone = Scenario{
	Name:  "cancel/src/after/none",
	Doc:   "migrate_cancel where there is no migration does nothing",
	Story: slices.Concat(Steps{Boot(), Cancel(), SeeNothingBegan(), SourceRunsOn()}, move()),
}

var cancelAfterSetup = Scenario{
	Name: "cancel/src/after/setup",
	Doc:  "migrate_cancel while the source waits for its connection",
	Story: slices.Concat(Steps{
		Boot(), HoldConnections(), Migrate(), AwaitStatus(qapi.MigrationSetup),
		Cancel(), DropConnections(), AwaitCancelled(), SourceRunsOn(),
	}, move()),
}

var cancelAfterActive = Scenario{
	Name: "cancel/src/after/active",
	Doc:  "migrate_cancel while RAM is being sent",
	Story: slices.Concat(Steps{
		unhurried(), Set(MaxBandwidth, 30*MB),
		Boot(), Listen(TCP), Migrate(), AwaitStatus(qapi.MigrationActive),
		Cancel(), AwaitCancelled(), SourceRunsOn(), DestinationGivesUp(), FreshDestination(),
	}, move()),
}

var cancelAfterPreSwitchover = Scenario{
	Name:  "cancel/src/after/pre-switchover",
	Doc:   "migrate_cancel when the guest stands for switchover: it runs on",
	Needs: []Need{{Capability: PauseBefore}},
	Story: slices.Concat(Steps{
		Enable(PauseBefore), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Migrate(), AwaitStatus(qapi.MigrationPreSwitchover),
		Cancel(), AwaitCancelled(), SourceRunsOn(), DestinationGivesUp(), FreshDestination(),
		Disable(PauseBefore),
	}, move()),
}

var cancelAfterCancelled = Scenario{
	Name: "cancel/src/after/cancelled",
	Doc:  "migrate_cancel once more, after a migration that was cancelled",
	Story: slices.Concat(Steps{
		unhurried(), Set(MaxBandwidth, 30*MB),
		Boot(), Listen(TCP), Migrate(), AwaitStatus(qapi.MigrationActive),
		Cancel(), AwaitCancelled(),
		Cancel(), SeeStatus(qapi.MigrationCancelled), SourceRunsOn(), DestinationGivesUp(), FreshDestination(),
	}, move()),
}

var cancelAfterFailed = Scenario{
	Name: "cancel/src/after/failed",
	Doc:  "migrate_cancel after a migration that failed",
	Story: slices.Concat(Steps{
		Boot(), MigrateTo("tcp:127.0.0.1:0"), AwaitFailure(),
		Cancel(), SeeStatus(qapi.MigrationFailed), SourceRunsOn(),
	}, move()),
}

var cancelAfterCompleted = Scenario{
	Name:  "cancel/src/after/completed",
	Doc:   "migrate_cancel when the guest has moved does nothing",
	Story: slices.Concat(Steps{Boot()}, move(), Steps{Cancel(), SeeStatus(qapi.MigrationCompleted)}),
}

// Cancel gives up the migration, if there is one.
func Cancel() Step {
	return Step{Name: "migrate_cancel", Do: func(ctx context.Context, p *Pair) error {
		return qapi.MigrateCancel(ctx, p.Source.QMP())
	}}
}

// AwaitCancelled waits until the source calls its migration cancelled, which it has to
// have called cancelling before.
func AwaitCancelled() Step {
	return Step{Name: "await status cancelled", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.AwaitStatus(ctx, qapi.MigrationCancelled); err != nil {
			return err
		}
		if said := p.Source.announced(ctx); !strings.HasSuffix(said, "cancelling cancelled") {
			return fmt.Errorf("the source announced the statuses %q, expected cancelling before cancelled", said)
		}
		return nil
	}}
}

// AwaitStatus waits until the source calls its migration so.
func AwaitStatus(status qapi.MigrationStatus) Step {
	return Step{Name: "await status " + string(status), Do: func(ctx context.Context, p *Pair) error {
		return p.Source.AwaitStatus(ctx, status)
	}}
}

// SeeStatus demands that the source calls its migration so, now and with its last
// event.
func SeeStatus(status qapi.MigrationStatus) Step {
	return Step{Name: "see status " + string(status), Do: func(ctx context.Context, p *Pair) error {
		return p.Source.seeStatus(ctx, status)
	}}
}

func (s *Side) seeStatus(ctx context.Context, status qapi.MigrationStatus) error {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil {
		return err
	}
	said := s.announced(ctx)
	if info.Status != status || !strings.HasSuffix(said, string(status)) {
		return fmt.Errorf("the %s's migration status is %s, and its events said %q, expected %s at last", s.Name(), info.Status, said, status)
	}
	return nil
}

// HoldConnections listens without ever taking a connection, and uses up the only
// place in its queue: who connects waits.
func HoldConnections() Step {
	return Step{Name: "hold connections", Do: func(_ context.Context, p *Pair) error {
		address := &unix.SockaddrUnix{Name: p.path("held.sock")}
		listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.held = append(p.held, listener)
		if err := unix.Bind(listener, address); err != nil {
			return err
		}
		if err := unix.Listen(listener, 0); err != nil {
			return err
		}
		first, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.held = append(p.held, first)
		p.uri = "unix:" + address.Name
		return unix.Connect(first, address)
	}}
}

// DropConnections lets those who wait for their connection know that none comes.
func DropConnections() Step {
	return Step{Name: "drop connections", Do: func(_ context.Context, p *Pair) error {
		p.dropHeld()
		return nil
	}}
}

func (p *Pair) dropHeld() {
	for _, fd := range p.held {
		_ = unix.Close(fd)
	}
	p.held = nil
}
