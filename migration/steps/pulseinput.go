package steps

import (
	"context"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration"
)

// askForInput has the guest program read what waits in its terminal's queue.
func (l *pulseLook) askForInput(ctx context.Context, of fixtures.Input) error {
	if of.Text == "" {
		return nil
	}
	taken, err := l.memory.Readl(ctx, of.Taken)
	if err != nil {
		return err
	}
	return l.memory.Writel(ctx, of.Asked, taken+1)
}

// sendInputAgain has it wait there again, where the guest program has read it.
func (l *pulseLook) sendInputAgain(ctx context.Context, s *migration.Side, of fixtures.Input) error {
	if of.Text == "" {
		return nil
	}
	asked, err := l.memory.Readl(ctx, of.Asked)
	if err != nil {
		return err
	}
	taken, err := l.memory.Readl(ctx, of.Taken)
	if err != nil || taken != asked {
		return err
	}
	return s.SendInput(ctx, of)
}
