package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/drover-vm/drover/migration"
)

// What is at the other end of a guest's serial port is told whether the guest has it open.
func chardevVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect equal-chardevs",
			Doc:     "Whether what a character device is for has it open, such as a guest its virtio-serial port, is the same on both sides (query-chardev: frontend-open).",
			Example: "expect equal-chardevs", Step: do(ExpectEqualChardevs),
		},
	}
}

// ExpectEqualChardevs holds whether the frontends of the destination's character devices are
// open, by query-chardev, against the source's. A virtio-serial port tells it where the guest
// runs, and not before.
func ExpectEqualChardevs() migration.Step {
	expect := onDestination("expect equal-chardevs", func(ctx context.Context, p *migration.Pair) error {
		source, destination, err := ofBoth(ctx, p, openFrontends)
		if err != nil {
			return err
		}
		compared := 0
		for _, label := range slices.Sorted(maps.Keys(source)) {
			open, there := destination[label]
			switch {
			case !there: // one side's own
				continue
			case open != source[label]:
				return fmt.Errorf("the frontend of the character device %s: open is %t on the source, and %t on the destination", label, source[label], open)
			}
			compared++
		}
		if compared == 0 {
			return errors.New("the sides have no character device in common")
		}
		return nil
	})
	expect.Wants = []string{awaitSwitchover}
	return expect
}

// openFrontends are a side's character devices by their labels, and whether each has its
// frontend open.
func openFrontends(ctx context.Context, s *migration.Side) (map[string]bool, error) {
	var devices []struct {
		Label string
		Open  bool `json:"frontend-open"`
	}
	err := s.QMP().Execute(ctx, "query-chardev", nil, &devices)
	all := map[string]bool{}
	for _, d := range devices {
		all[d.Label] = d.Open
	}
	return all, err
}
