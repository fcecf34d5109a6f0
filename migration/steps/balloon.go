package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
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
	}
}

// Balloon has the guest on a side inflate or deflate its balloon, until that many bytes of
// memory are left to it.
func Balloon(on string, bytes int64) migration.Step {
	return balloonStep(on, "balloon", bytes, func(ctx context.Context, s *migration.Side) error {
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
	return balloonStep(on, "expect balloon", bytes, func(ctx context.Context, s *migration.Side) error {
		now, err := leftByBalloon(ctx, s)
		if err == nil && now != bytes {
			err = fmt.Errorf("the balloon leaves %d bytes of memory to the guest by the %s's query-balloon, expected %d", now, s.Name(), bytes)
		}
		return err
	})
}

// ExpectBalloonStats asks the guest through its balloon how much memory it has, once a second,
// and waits for two answers (docs/interop/virtio-balloon-stats.rst in QEMU). Its driver has given
// the device a buffer for the next one, which moves with the guest.
func ExpectBalloonStats(on string) migration.Step {
	return migration.Step{Name: onSide(on, "expect balloon-stats"), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			const path, interval = "/machine/peripheral/" + guest.Balloon, "guest-stats-polling-interval"
			var told struct {
				LastUpdate int64 `json:"last-update"` // in s; 0 before the first
			}
			err := errors.Join(qapi.QOMGet(ctx, s.QMP(), path, "guest-stats", &told), qapi.QOMSet(ctx, s.QMP(), path, interval, 1))
			if err != nil {
				return err
			}
			answers, last := 0, told.LastUpdate
			err = migration.Poll(ctx, "a second answer of the guest's balloon", func() (bool, error) {
				err := qapi.QOMGet(ctx, s.QMP(), path, "guest-stats", &told)
				if told.LastUpdate > last {
					answers, last = answers+1, told.LastUpdate
				}
				return answers == 2, err
			})
			if err != nil {
				return fmt.Errorf("%w: it has answered %d times", err, answers)
			}
			return qapi.QOMSet(ctx, s.QMP(), path, interval, 0)
		})
	}}
}

func balloonStep(on, name string, bytes int64, do func(ctx context.Context, s *migration.Side) error) migration.Step {
	return migration.Step{Name: onSide(on, fmt.Sprintf("%s %d", name, bytes)), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return do(ctx, s) })
	}}
}

// leftByBalloon is how many bytes of memory are left to the guest.
func leftByBalloon(ctx context.Context, s *migration.Side) (int64, error) {
	var now struct{ Actual int64 }
	err := s.QMP().Execute(ctx, "query-balloon", nil, &now)
	return now.Actual, err
}
