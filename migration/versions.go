package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"
)

// Between returns the scenario as it is told between two builds of QEMU, which the
// name begins with: version/7.2-10.0/precopy/unix/plain. Where a step of its story
// fails, because the destination does not take the guest, it is gathered whether
// the guest can go on where it was.
func (s Scenario) Between(source, destination string) Scenario {
	s.Name = fmt.Sprintf("version/%s-%s/%s", source, destination, s.Name)
	if s.Ends == "" { // the guest is to move
		s.Story = slices.Clone(s.Story)
		for i, step := range s.Story {
			s.Story[i].Do = func(ctx context.Context, p *Pair) error {
				failed := step.Do(ctx, p)
				if failed != nil && p.run.ctx.Err() == nil && migrating(p) {
					failed = errors.Join(failed, p.goOnAtSource())
				}
				return failed
			}
		}
	}
	return s
}

func migrating(p *Pair) bool { return p.Source != nil && !p.Source.Facts.Began.IsZero() }

// goOnPatience is how long the source may take to find out that its migration is
// over, before it is asked whether its guest lives. It knows at once, or after the
// round trip of a socket.
const goOnPatience = StepPatience / 2

// goOnAtSource does what a manager does of virtual machines when the destination
// has failed: it lets the guest run on at the source, unless it has already run at
// the destination. Then it gathers whether the guest lives. A source that reports
// success in vain, as one without a return path does, is told to go on.
func (p *Pair) goOnAtSource() error {
	ctx, cancel := p.run.atMost(p.run.ctx, goOnPatience)
	defer cancel()
	events, _ := p.Destination.events(ctx)
	for _, e := range events {
		if e.Name == "RESUME" {
			return nil
		}
	}
	over := poll(ctx, "the end of the source's migration", func() (bool, error) {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		return info.Status == "" || info.Status == qapi.MigrationCompleted || ended(info.Status), err
	})
	if over != nil {
		return nil // the story's own error says more
	}
	status, err := p.settled(ctx, p.Source)
	if err != nil {
		return nil
	}
	if !status.Running {
		if err := p.Source.tell(ctx, "cont", nil); err != nil {
			return fmt.Errorf("the source's guest can't go on: %w", err)
		}
	}
	return p.watchLife(ctx, p.Source, p.Source.Console().Mark())
}
