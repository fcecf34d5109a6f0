package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// ExpectBalloonStats asks the guest through its balloon how much memory it has, once a second,
// and waits for two answers. Its driver has given the device a buffer for the next one, which
// moves with the guest.
func ExpectBalloonStats(on string) migration.Step {
	return migration.Step{Name: onSide(on, "expect balloon-stats"), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			return balloonStats(ctx, s, "a second answer of the guest's balloon", func(answers int, _ int64) bool { return answers == 2 })
		})
	}}
}

// AwaitFreeMemory asks the guest through its balloon how much of its memory is free, once a second,
// until that is more than so many bytes, or less. What it was asked before does not count.
func AwaitFreeMemory(on string, above bool, bytes int64) migration.Step {
	than := map[bool]string{true: "above", false: "below"}[above]
	return migration.Step{
		Name: onSide(on, fmt.Sprintf("await free-memory %s %d", than, bytes)), Wants: []string{"boot"}, Timeout: 2 * migration.StepTimeout,
		Do: func(ctx context.Context, p *migration.Pair) error {
			return each(p, on, func(s *migration.Side) error {
				what := fmt.Sprintf("the guest's free memory to be %s %d bytes", than, bytes)
				return balloonStats(ctx, s, what, func(answers int, free int64) bool {
					return answers >= 2 && (above && free > bytes || !above && free < bytes)
				})
			})
		},
	}
}

// balloonStats asks the guest through its balloon how much memory it has, once a second, until it
// has answered so many times, and so much is free, that it is enough
// (docs/interop/virtio-balloon-stats.rst in QEMU).
func balloonStats(ctx context.Context, s *migration.Side, what string, enough func(answers int, free int64) bool) error {
	const path, interval = "/machine/peripheral/" + guest.Balloon, "guest-stats-polling-interval"
	var told struct {
		LastUpdate int64 `json:"last-update"` // in s; 0 before the first
		Stats      struct {
			Free int64 `json:"stat-free-memory"`
		}
	}
	err := errors.Join(qapi.QOMGet(ctx, s.QMP(), path, "guest-stats", &told), qapi.QOMSet(ctx, s.QMP(), path, interval, 1))
	if err != nil {
		return err
	}
	answers, last := 0, told.LastUpdate
	err = migration.Poll(ctx, what, func() (bool, error) {
		err := qapi.QOMGet(ctx, s.QMP(), path, "guest-stats", &told)
		if told.LastUpdate > last {
			answers, last = answers+1, told.LastUpdate
		}
		return enough(answers, told.Stats.Free), err
	})
	if err != nil {
		return fmt.Errorf("%w: it has answered %d times, with %d bytes of memory free at last", err, answers, told.Stats.Free)
	}
	return qapi.QOMSet(ctx, s.QMP(), path, interval, 0)
}
