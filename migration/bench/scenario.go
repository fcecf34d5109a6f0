package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

// Scenario is what is run of a cell: its scenario file with looks at the clock and at what
// the QEMUs use around the lines from migrate on. A migration that has not converged after
// maxTime is given all the downtime that it wants. Without proof nothing is compared in the
// end; the proof comes behind all that is measured.
func Scenario(c stats.Cell, maxTime time.Duration, proof bool) (migration.Scenario, error) {
	text, err := Text(c)
	if err != nil {
		return migration.Scenario{}, err
	}
	s, err := migration.Parse("bench/"+c.Method, "the scenario of "+c.String(), text, steps.Verbs())
	if err != nil {
		return s, err
	}
	if !proof {
		s.Proof = migration.Steps{}
	}
	var all migration.Steps
	for _, step := range s.Steps {
		switch {
		case step.Phase == record.PhasePasses: // migrate
			all = append(all, watchBefore())
			step = around(step, noteBegin, nil)
		case step.Name == "await passes 1", step.Name == "migrate-start-postcopy":
			step = unlessMoved(step)
		case step.Name == "await saved":
			step = converging(step, maxTime)
		case step.Name == "await switchover":
			step = around(converging(step, maxTime), nil, noteMoved)
		}
		all = append(all, step)
	}
	s.Steps = append(all, watchAfter())
	return s, nil
}

// around does something right before a step and right after it.
func around(s migration.Step, before, after func(p *migration.Pair)) migration.Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *migration.Pair) error {
		if before != nil {
			before(p)
		}
		err := do(ctx, p)
		if err == nil && after != nil {
			after(p)
		}
		return err
	}
	return s
}

// unlessMoved does a step of postcopy where precopy has not moved the guest before.
func unlessMoved(s migration.Step) migration.Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *migration.Pair) error {
		if p.Source.HasEvent(ctx, "STOP") {
			return nil
		}
		err := do(ctx, p)
		if err != nil && ctx.Err() == nil && p.Source.HasEvent(ctx, "STOP") {
			return nil
		}
		return err
	}
	return s
}

// settleTimeout is how long a migration may take to end that has all the downtime it wants.
const settleTimeout = 30 * time.Second

// mostDowntime is the longest limit that QEMU takes.
const mostDowntime = 2000 * time.Second

// converging gives the migration maxTime to stop the guest by itself, since it was asked for,
// and then lifts its downtime limit.
func converging(s migration.Step, maxTime time.Duration) migration.Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *migration.Pair) error {
		wait, cancel := context.WithDeadline(ctx, p.Source.Facts.Began.Add(maxTime))
		defer cancel()
		_, err := p.Source.Await(wait, "STOP", migration.Named("STOP"))
		if err != nil && wait.Err() != nil && ctx.Err() == nil {
			watched.Of(p).forced = true
			err = steps.Set(qapi.ParamDowntimeLimit, mostDowntime).Do(ctx, p)
		}
		if err != nil {
			return err
		}
		return do(ctx, p)
	}
	return s.WithTimeout(maxTime + settleTimeout)
}

// How many heartbeats are waited for to know how fast the guest is, and for how long at most.
const (
	beatsWatched = 8
	watchTimeout = 4 * time.Second
)

// watchBefore lets the guest run until its speed is known.
func watchBefore() migration.Step {
	return migration.Step{Name: "watch the guest's speed", Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil {
			return errors.New("there is no destination")
		}
		if !p.Program.FillsPages() {
			return awaitBeats(ctx, p, p.Source, 0)
		}
		before, began := pagesFilled(ctx, p), time.Now()
		err := awaitBeats(ctx, p, p.Source, p.Source.Console().Mark())
		if now := pagesFilled(ctx, p); before > 0 && now > before {
			watched.Of(p).rate = float64(now-before) * float64(p.Program.Stride) / time.Since(began).Seconds()
		}
		return err
	}}
}

// pagesFilled is how many pages the source's guest has filled by its own count, 0 where it can't
// be asked.
func pagesFilled(ctx context.Context, p *migration.Pair) uint32 {
	n, _ := p.Source.QTest().Readl(ctx, p.Program.Counter())
	return n
}

// watchAfter lets the guest run on the destination, and gathers how fast it was all the time.
func watchAfter() migration.Step {
	return migration.Step{Name: "watch the guest's speed afterwards", Do: func(ctx context.Context, p *migration.Pair) error {
		if err := awaitBeats(ctx, p, p.Destination, p.Destination.Console().Mark()); err != nil {
			return err
		}
		p.Source.Facts.Events, p.Source.Facts.EventsLost = p.Source.Events(ctx)
		p.Destination.Facts.Events, p.Destination.Facts.EventsLost = p.Destination.Events(ctx)
		noteGuest(p)
		return nil
	}}
}

// awaitBeats waits for some heartbeats. That fewer come is no error: speeds are not known then.
func awaitBeats(ctx context.Context, p *migration.Pair, s *migration.Side, from int64) error {
	wait, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	_, err := s.Console().WaitFunc(wait, from, fmt.Sprintf("%d heartbeats", beatsWatched), func(output []byte) (int, error) {
		if bytes.Count(output, []byte{p.Program.Heartbeat}) < beatsWatched {
			return -1, nil
		}
		return len(output), nil
	})
	if wait.Err() != nil && ctx.Err() == nil {
		return migration.ExitErrorOnly(err)
	}
	return err
}
