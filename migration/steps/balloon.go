package steps

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// A balloon takes memory away from a guest and gives it back.
func balloonVerbs() migration.Vocabulary {
	size := func(a *migration.Args) int64 { return a.Size("the memory that is left") }
	return migration.Vocabulary{
		{
			Name: "balloon", Args: "SIZE", Sides: migration.OnSource,
			Doc:     "Has a guest with a balloon inflate or deflate it, until that much memory is left to it.",
			Example: "destination: balloon 200MiB",
			Step:    func(a *migration.Args) migration.Step { return Balloon(a.Side(), size(a)) },
		},
		{
			Name: "expect balloon", Args: "SIZE", Sides: migration.OnDestination,
			Doc:     "By query-balloon that much memory is left to the guest.",
			Example: "expect balloon 200MiB",
			Step:    func(a *migration.Args) migration.Step { return ExpectBalloon(a.Side(), size(a)) },
		},
		{
			Name: "expect balloon-stats", Sides: migration.OnDestination,
			Doc:     "A Linux guest with a virtio-balloon answers when its balloon asks how much memory it has, twice.",
			Example: "expect balloon-stats",
			Step:    func(a *migration.Args) migration.Step { return ExpectBalloonStats(a.Side()) },
		},
		{
			Name: "await free-memory", Args: "above|below SIZE", Sides: migration.OnSource,
			Doc:     "Waits until a Linux guest with a virtio-balloon tells its balloon that more, or less, memory than that is free.",
			Example: "await free-memory above 100MiB",
			Step: func(a *migration.Args) migration.Step {
				above := a.OneOf("what to wait for", "above", "below") == "above"
				return AwaitFreeMemory(a.Side(), above, a.Size("how much memory"))
			},
		},
		{
			Name: "expect resident-ram", Args: "SIZE", Sides: migration.OnDestination,
			Doc:     "Of the guest's RAM, the host has at most so much in memory: what is in a balloon has been given back.",
			Example: "expect resident-ram 160MiB",
			Step:    func(a *migration.Args) migration.Step { return ExpectResidentRAM(a.Side(), a.Size("how much memory")) },
		},
	}
}

// Balloon has the guest on a side inflate or deflate its balloon, until that many bytes of
// memory are left to it.
func Balloon(on string, bytes int64) migration.Step {
	return balloonStep(on, "balloon", bytes, func(ctx context.Context, _ *migration.Pair, s *migration.Side) error {
		if err := s.Execute(ctx, "balloon", map[string]any{"value": bytes}); err != nil {
			return err
		}
		var now int64
		err := migration.Poll(ctx, "the guest's balloon", func() (_ bool, err error) {
			now, err = leftByBalloon(ctx, s)
			return now == bytes, err
		})
		if err != nil {
			return fmt.Errorf("the balloon leaves %d bytes of memory to the guest, expected %d: %w", now, bytes, err)
		}
		return nil
	})
}

// ExpectBalloon holds the bytes of memory that are left to the guest, by a side's query-balloon,
// against what they are to be: the guest tells its QEMU how many it has given away only when it
// is asked for more, or for fewer.
func ExpectBalloon(on string, bytes int64) migration.Step {
	return balloonStep(on, "expect balloon", bytes, func(ctx context.Context, _ *migration.Pair, s *migration.Side) error {
		now, err := leftByBalloon(ctx, s)
		if err == nil && now != bytes {
			err = fmt.Errorf("the balloon leaves %d bytes of memory to the guest by the %s's query-balloon, expected %d", now, s.Name(), bytes)
		}
		return err
	})
}

// ExpectResidentRAM gathers how much of the guest's RAM the host has in memory on a side. A guest
// writes to what its balloon takes (Linux clears it), so that is in memory until QEMU gives it back.
func ExpectResidentRAM(on string, most int64) migration.Step {
	return balloonStep(on, "expect resident-ram", most, func(_ context.Context, p *migration.Pair, s *migration.Side) error {
		resident, err := procfs.ResidentOf(s.PID(), p.RAMBytes())
		if err == nil {
			p.Measure("RAM of the guest that the host has in memory on the "+s.Name(), float64(resident), "bytes", record.AtMost(float64(most)))
		}
		return err
	})
}

func balloonStep(on, name string, bytes int64, do func(ctx context.Context, p *migration.Pair, s *migration.Side) error) migration.Step {
	return migration.Step{Name: onSide(on, fmt.Sprintf("%s %d", name, bytes)), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return do(ctx, p, s) })
	}}
}

// leftByBalloon is how many bytes of memory are left to the guest.
func leftByBalloon(ctx context.Context, s *migration.Side) (int64, error) {
	var now struct{ Actual int64 }
	err := s.QMP().Execute(ctx, "query-balloon", nil, &now)
	return now.Actual, err
}
