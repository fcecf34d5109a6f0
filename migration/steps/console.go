package steps

import (
	"context"
	"time"

	"github.com/drover-vm/drover/migration"
)

func consoleVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "hold console",
			Doc:     "Leaves unread what the source's guest writes to its serial port, as a reader does that has stopped, and has it write until the port, a PC's, waits with a byte.",
			Example: "hold console", Step: do(HoldConsole),
		},
	}
}

// The registers of a PC's first serial port (PC16550D).
const (
	serialPort, serialStatus = 0x3f8, 0x3fd
	serialEmpty              = 0x20 // it takes a byte
)

// serialWaits is how long a port has to be full for nobody to be reading: a byte takes it a
// tenth of a millisecond.
const serialWaits = 20 * time.Millisecond

// HoldConsole leaves the source's console unread, until the run is over, and fills it.
func HoldConsole() migration.Step {
	return migration.Step{Name: "hold console", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		console, q := p.Source.Console(), p.Source.QTest()
		console.Hold()
		p.Defer(console.Release)
		var full time.Time // since when
		for {
			status, err := q.Inb(ctx, serialStatus)
			switch {
			case err != nil:
				return err
			case status&serialEmpty != 0:
				full = time.Time{}
				if err := q.Outb(ctx, serialPort, p.Program.Heartbeat); err != nil {
					return err
				}
			case full.IsZero():
				full = time.Now()
			case time.Since(full) > serialWaits:
				return nil
			}
		}
	}}
}
