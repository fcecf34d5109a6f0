package bench

import (
	"context"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

// Scenario is what is run of a cell: its scenario file, with looks at the guest around some
// of its lines. Without Proof nothing is compared in the end; the proof comes behind all that
// is measured.
func (p Plan) Scenario(c stats.Cell) (migration.Scenario, error) {
	text, err := p.Text(c)
	if err != nil {
		return migration.Scenario{}, err
	}
	s, err := migration.Parse("bench/"+c.Method, "the scenario of "+c.String(), text, steps.Verbs())
	if err != nil {
		return s, err
	}
	if !p.Proof {
		s.Proof = migration.Steps{}
	}
	for i, step := range s.Steps {
		switch {
		case step.Phase == record.PhaseBoot:
			s.Steps[i] = then(step, lookBefore)
		case step.Phase == record.PhasePasses: // migrate
			s.Steps[i] = first(lookAtBegin, step)
		case step.Name == "await passes 1", step.Name == "migrate-start-postcopy":
			s.Steps[i] = unlessMoved(step)
		case step.Name == arrive:
			s.Steps[i] = then(step, lookMoved)
		case i == len(s.Steps)-1:
			s.Steps[i] = then(step, noteGuest)
		}
	}
	return s, nil
}

// A look is at the guest, around a step.
type look func(ctx context.Context, p *migration.Pair) error

func then(s migration.Step, l look) migration.Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *migration.Pair) error {
		if err := do(ctx, p); err != nil {
			return err
		}
		return l(ctx, p)
	}
	return s
}

func first(l look, s migration.Step) migration.Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *migration.Pair) error {
		if err := l(ctx, p); err != nil {
			return err
		}
		return do(ctx, p)
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
