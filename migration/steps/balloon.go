package steps

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

// A balloon takes memory away from a guest and gives it back.
func balloonVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "balloon", Args: "SIZE", Sides: migration.OnSource,
			Doc:     "Has a guest with a balloon inflate or deflate it, until that much memory is left to it.",
			Example: "destination: balloon 200MiB",
			Step:    func(a *migration.Args) migration.Step { return Balloon(a.Side(), a.Size("the memory that is left")) },
		},
	}
}

// Balloon has the guest on a side inflate or deflate its balloon, until that many bytes of
// memory are left to it.
func Balloon(on string, bytes int64) migration.Step {
	return migration.Step{Name: onSide(on, fmt.Sprintf("balloon %d", bytes)), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			if err := s.Execute(ctx, "balloon", map[string]any{"value": bytes}); err != nil {
				return err
			}
			var now struct{ Actual int64 }
			err := migration.Poll(ctx, "the guest's balloon", func() (bool, error) {
				err := s.QMP().Execute(ctx, "query-balloon", nil, &now)
				return now.Actual == bytes, err
			})
			if err != nil {
				return fmt.Errorf("the balloon leaves %d bytes of memory to the guest, expected %d: %w", now.Actual, bytes, err)
			}
			return nil
		})
	}}
}
