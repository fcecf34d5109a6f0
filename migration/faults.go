package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A fault is what a story does to its migration.
type fault struct {
	what string
	at   <-chan time.Time // when it happens
}

// injure puts a fault on the way to the destination, on the n-th connection, which
// may be yet to come.
func injure(n int, f link.Fault) Step {
	what := fmt.Sprintf("%s of connection %d", f, n)
	return Step{Name: "put a fault: " + what, Do: func(_ context.Context, p *Pair) error {
		p.tap.fault = &fault{what, p.tap.link(n).Forward.Put(f)}
		return nil
	}}
}

// CutLink closes all connections of the migration now.
func CutLink() Step {
	return faultNow("cut the link", "cut", func(_ context.Context, p *Pair) error {
		for _, l := range p.tap.connections() {
			l.Cut()
		}
		return nil
	})
}

// ResetLink breaks all connections of the migration off now.
func ResetLink() Step {
	return faultNow("reset the link", "reset", func(_ context.Context, p *Pair) error {
		for _, l := range p.tap.connections() {
			l.Reset()
		}
		return nil
	})
}

// KillDestination ends the destination as a host does that loses power.
func KillDestination() Step {
	return faultNow("kill the destination", "bereft of its destination", func(ctx context.Context, p *Pair) error {
		if err := unix.Kill(p.Destination.PID(), unix.SIGKILL); err != nil {
			return err
		}
		select {
		case <-p.Destination.Exited():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end of a destination that was killed: %w", context.Cause(ctx))
		}
	})
}

// faultNow is a step that injures the migration at that moment.
func faultNow(name, what string, do func(ctx context.Context, p *Pair) error) Step {
	return Step{Name: name, Do: func(ctx context.Context, p *Pair) error {
		p.Facts.Fault = &record.FaultFacts{What: what, At: time.Now()}
		return do(ctx, p)
	}}
}

// AwaitFault waits until the fault that was put on the link has happened.
func AwaitFault() Step {
	return Step{Name: "await the fault", Do: func(ctx context.Context, p *Pair) error {
		f := p.tap.fault
		select {
		case at := <-f.at:
			p.Facts.Fault = &record.FaultFacts{What: f.what, At: at}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for what was to be %s, of which %d bytes have come: %w", f.what, p.tap.sent(), context.Cause(ctx))
		}
	}}
}

// AwaitNotice waits until the source calls its injured migration so, and gathers what
// it says of the reason.
func AwaitNotice(status qapi.MigrationStatus) Step {
	return Step{Name: "await status " + string(status) + " after the fault", Do: func(ctx context.Context, p *Pair) error {
		f := p.Facts.Fault
		if f == nil {
			return errors.New("nothing was done to the migration")
		}
		event, err := p.Source.Await(ctx, "status "+string(status), func(e qmp.Event) bool {
			return statusOf(e) == status || statusOf(e) == qapi.MigrationCompleted
		})
		if err != nil {
			return err
		}
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		f.Status, f.Noticed, f.Desc = string(statusOf(event)), event.Time, info.ErrorDesc
		if f.Status != string(status) {
			return fmt.Errorf("the source's migration went to %s after it was %s, expected %s", f.Status, f.What, status)
		}
		return nil
	}}
}

// SourceIntact stops the guest on the source, gathers what the workload's range holds
// there, and lets it run on.
func SourceIntact() Step {
	return Step{Name: "look at the RAM that stayed", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.tell(ctx, "stop", nil); err != nil {
			return err
		}
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		workload := newWorkloadReader(p.Program)
		own := memories{[]*launcher.Memory{memory}, scopeOf(memory, p.Program)}
		if err := own.walk(func(at uint64, pages [][]byte) { workload.page(at, pages[0]) }); err != nil {
			return err
		}
		p.Facts.Fault.RAM = workload.done()
		return p.Source.tell(ctx, "cont", nil)
	}}
}

func linkFaults() []Scenario { return nil }
