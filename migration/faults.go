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

// StallLink lets nothing pass in either direction: neither over the connections that
// there are, nor over the first one, where it is yet to come.
func StallLink() Step {
	return Step{Name: "stall the link", Do: func(_ context.Context, p *Pair) error {
		p.tap.link(1).Stall()
		for _, l := range p.tap.connections() {
			l.Stall()
		}
		return nil
	}}
}

// ReleaseLink lets everything pass again, at full speed.
func ReleaseLink() Step {
	return Step{Name: "release the link", Do: func(_ context.Context, p *Pair) error {
		for _, l := range p.tap.all() {
			l.Forward.Limit(0)
			l.Release()
		}
		return nil
	}}
}

// SlowLink lets at most so many bytes a second pass towards the destination, over the
// first connection, which may be yet to come.
func SlowLink(bytesPerSecond int64) Step {
	return Step{Name: fmt.Sprintf("slow the link to %d bytes a second", bytesPerSecond), Do: func(_ context.Context, p *Pair) error {
		p.tap.link(1).Forward.Limit(bytesPerSecond)
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

// CutConnection closes the n-th connection of the migration now.
func CutConnection(n int) Step {
	return faultNow(fmt.Sprintf("cut connection %d", n), fmt.Sprintf("cut on connection %d", n), func(_ context.Context, p *Pair) error {
		p.tap.link(n).Cut()
		return nil
	})
}

// DropOthers takes from all connections but the n-th what the source sends, and passes
// none of it on.
func DropOthers(n int) Step {
	return Step{Name: fmt.Sprintf("drop what goes over others than connection %d", n), Do: func(_ context.Context, p *Pair) error {
		spared := p.tap.link(n)
		for _, l := range p.tap.connections() {
			if l != spared {
				l.Forward.Drop()
			}
		}
		return nil
	}}
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
		return p.Destination.kill(ctx)
	})
}

// EndDestination ends a destination that may wait for ever, and one that has ended.
func EndDestination() Step {
	return Step{Name: "end the destination", Do: func(ctx context.Context, p *Pair) error {
		select {
		case <-p.Destination.Exited():
			return nil
		default:
			return p.Destination.kill(ctx)
		}
	}}
}

func (s *Side) kill(ctx context.Context) error {
	s.gaveUp = true
	if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) { // it may end by itself meanwhile
		return err
	}
	select {
	case <-s.Exited():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the end of a %s that was killed: %w", s.role, context.Cause(ctx))
	}
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
			return p.unsaid(status, err)
		}
		if err := p.noteNotice(ctx, event); err != nil {
			return err
		}
		if f.Status != string(status) {
			return fmt.Errorf("the source's migration went to %s after it was %s, expected %s", f.Status, f.What, status)
		}
		return nil
	}}
}

// noteNotice gathers when the source noticed the fault, and what it says of it.
func (p *Pair) noteNotice(ctx context.Context, event qmp.Event) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	f := p.Facts.Fault
	f.Status, f.Noticed, f.Desc = string(statusOf(event)), event.Time, info.ErrorDesc
	return err
}

// unsaid tells a migration whose state no event told of from one that goes on.
func (p *Pair) unsaid(status qapi.MigrationStatus, waited error) error {
	ctx, cancel := p.run.atMost(p.run.ctx, lifePatience)
	defer cancel()
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	switch f := p.Facts.Fault; {
	case err != nil:
		return waited
	case info.Status == status:
		return fmt.Errorf("the source's migration status is %s after it was %s, and no event said so: %w", status, f.What, waited)
	default:
		return fmt.Errorf("the source has not noticed that its migration was %s: its status is %s: %w", f.What, info.Status, waited)
	}
}

// AwaitReturn waits until the guest runs on the source again, which had stopped it to
// switch over. QEMU may call the migration failed a moment before.
func AwaitReturn() Step {
	return Step{Name: "await the guest's return", Do: func(ctx context.Context, p *Pair) error {
		if f := p.Facts.Fault; f != nil {
			f.Unnamed = true
		}
		patience, cancel := p.run.atMost(ctx, lifePatience)
		defer cancel()
		_, err := p.Source.QMP().WaitFunc(patience, p.Source.since, named("RESUME"))
		if err == nil {
			return nil
		}
		status, unknown := qapi.QueryStatus(ctx, p.Source.QMP())
		if unknown != nil {
			return errors.Join(err, unknown)
		}
		return fmt.Errorf("the migration failed, and the guest was not resumed on the source, whose run state is %s: %w", status.Status, err)
	}}
}

// SourceIntact demands that the guest runs on the source, stops it, gathers what the
// workload's range holds there, and lets it run on.
func SourceIntact() Step {
	return Step{Name: "look at the RAM that stayed", Do: func(ctx context.Context, p *Pair) (err error) {
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if !status.Running {
			return fmt.Errorf("the guest does not run on the source after its migration was %s: its run state is %s", p.Facts.Fault.What, status.Status)
		}
		if err = p.Source.tell(ctx, "stop", nil); err != nil {
			return err
		}
		if p.Facts.Fault.RAM, err = p.workloadOn(ctx, p.Source); err != nil {
			return err
		}
		return p.Source.tell(ctx, "cont", nil)
	}}
}

// workloadOn is what the workload's range holds on a side whose guest stands.
func (p *Pair) workloadOn(ctx context.Context, s *Side) (*record.WorkloadFacts, error) {
	memory, err := s.Memory(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = memory.Close() }()
	workload := newWorkloadReader(p.Program)
	own := memories{[]*launcher.Memory{memory}, scopeOf(memory, p.Program)}
	err = own.walk(func(at uint64, pages [][]byte) { workload.page(at, pages[0]) })
	return workload.done(), err
}
