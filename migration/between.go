package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"
)

// Between returns the scenario as it is run between two builds of QEMU, which the
// name begins with: version/7.2-10.0/precopy/unix/plain. Where a step
// fails, because the destination does not take the guest, it is gathered whether
// the guest can run on where it was.
func (s Scenario) Between(source, destination string) Scenario {
	s.Name = fmt.Sprintf("version/%s-%s/%s", source, destination, s.Name)
	if s.Ends == "" { // the guest is to move
		s.Steps = slices.Clone(s.Steps)
		for i, step := range s.Steps {
			s.Steps[i].Do = func(ctx context.Context, p *Pair) error {
				failed := step.Do(ctx, p)
				if failed != nil && p.run.ctx.Err() == nil && migrating(p) {
					failed = errors.Join(failed, p.runOnAtSource())
				}
				return failed
			}
		}
	}
	return s
}

func migrating(p *Pair) bool { return p.Source != nil && !p.Source.Facts.Began.IsZero() }

// runOnTimeout is how long the source may take to find out that its migration is
// over, before it is asked whether its guest lives. It knows at once, or after the
// round trip of a socket.
const runOnTimeout = StepTimeout / 2

// runOnAtSource does what a manager does of virtual machines when the destination
// has failed: it lets the guest run on at the source, unless it has already run at
// the destination. Then it gathers whether the guest lives. A source that reports
// success all the same, as one without a return path does, gets cont.
func (p *Pair) runOnAtSource() error {
	ctx, cancel := p.AtMost(p.run.ctx, runOnTimeout)
	defer cancel()
	if p.Destination != nil && p.Destination.HasEvent(ctx, "RESUME") {
		return nil
	}
	over := Poll(ctx, "the end of the source's migration", func() (bool, error) {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		return info.Status == "" || info.Status == qapi.MigrationCompleted || ended(info.Status), err
	})
	if over != nil {
		return nil // the step's own error is better
	}
	status, err := p.settled(ctx, p.Source)
	if err != nil {
		return nil
	}
	if !status.Running {
		if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
			return fmt.Errorf("the source's guest can't run on: %w", err)
		}
	}
	return p.WatchLife(ctx, p.Source, p.Source.Console().Mark())
}
