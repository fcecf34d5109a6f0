package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/steps"
)

// Scenario is what is run of a cell: its scenario file, and behind it a step that gathers how
// fast the guest was. Without proof nothing is compared in the end; the proof comes behind all
// that is measured.
func Scenario(c stats.Cell, maxTime time.Duration, proof bool) (migration.Scenario, error) {
	text, err := Text(c, maxTime)
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
	for i, step := range s.Steps {
		if step.Name == "await passes 1" || step.Name == "migrate-start-postcopy" {
			s.Steps[i] = unlessMoved(step)
		}
	}
	s.Steps = append(s.Steps, migration.Step{Name: "note the guest's speed", Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil || p.Facts.Costs == nil {
			return fmt.Errorf("nothing has been measured of a migration")
		}
		p.Source.Facts.Events, p.Source.Facts.EventsLost = p.Source.Events(ctx)
		p.Destination.Facts.Events, p.Destination.Facts.EventsLost = p.Destination.Events(ctx)
		noteGuest(p)
		return nil
	}})
	return s, nil
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
