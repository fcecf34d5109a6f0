package migration

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// DestinationResources gathers what the destination holds beyond what it held when it had
// been started. Its guest's memory is its own to keep, and so is what TCG keeps of a Linux
// guest's code.
func DestinationResources() Step {
	return Step{Name: "check the destination's resources", Do: func(ctx context.Context, p *Pair) error {
		d := p.Destination
		if d.ExitState() != nil {
			return nil // which is the clean end's to judge
		}
		most := int64(math.MaxInt64)
		bounded := p.run.linux == nil
		if bounded {
			var err error
			if most, err = d.mostMemory(ctx, p); err != nil {
				return err
			}
		}
		now := d.began
		err := p.PollAtMost(ctx, releaseTimeout, "the destination to release what it used", func() (bool, error) {
			var err error
			now, err = d.Resources()
			return len(now.Threads) <= len(d.began.Threads) && len(now.Files) <= len(d.began.Files) && now.Resident-d.began.Resident <= most, err
		})
		if err != nil {
			return err
		}
		p.MeasureMore("threads", "threads of the destination, beyond those that it began with", d.began.Threads, now.Threads)
		p.MeasureMore("files", "open files of the destination, beyond those that it began with", d.began.Files, now.Files)
		if bounded {
			p.Measure("memory of the destination, beyond that which it began with", float64(now.Resident-d.began.Resident), "bytes", record.AtMost(float64(most)))
		}
		return nil
	}}
}

// mostMemory is how much more anonymous memory than it began with a destination may have, in
// bytes: all of the guest's, what its C library keeps, and the cache of XBZRLE.
func (s *Side) mostMemory(ctx context.Context, p *Pair) (int64, error) {
	blocks, err := s.ramBlocks(ctx)
	if err != nil {
		return 0, err
	}
	most := moreMemory + p.xbzrleCache()
	for _, b := range blocks {
		most += int64(b.Used)
	}
	return most, nil
}

// MeasureMore adds how many more names there are now than before, and which, as a
// quantity that has to be 0 or less. Both are sorted.
func (p *Pair) MeasureMore(unit, what string, before, now []string) {
	more := len(now) - len(before)
	if more > 0 {
		what += " (" + strings.Join(added(before, now), ", ") + ")"
	}
	p.Measure(what, float64(more), unit, record.AtMost(0))
}

// added are the names that occur more often in one list than in another, both sorted.
func added(before, now []string) (more []string) {
	before = slices.Clone(before)
	for _, name := range now {
		if i, was := slices.BinarySearch(before, name); was {
			before = slices.Delete(before, i, i+1)
		} else {
			more = append(more, name)
		}
	}
	return more
}
