package steps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/drover-vm/drover/migration"
)

// A network device is told by its guest's driver which frames to let in.
func rxFilterVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect equal-filters",
			Doc:     "Both sides' network devices let the same frames in (query-rx-filter: addresses, multicast groups, VLANs); the guest must have one whose filter QEMU tells, such as virtio-net.",
			Example: "expect equal-filters", Step: do(ExpectEqualFilters),
		},
	}
}

// ExpectEqualFilters holds which frames the network devices of the destination let in, by
// query-rx-filter, against the source's.
func ExpectEqualFilters() migration.Step {
	return onArrival("expect equal-filters", func(ctx context.Context, p *migration.Pair) error {
		source, destination, err := ofBoth(ctx, p, rxFilters)
		if err != nil {
			return err
		}
		if len(source) == 0 {
			return errors.New("the guest has no network device whose filter QEMU tells")
		}
		for _, member := range slices.Sorted(maps.Keys(source)) {
			if has := cmp.Or(destination[member], "not told"); has != source[member] {
				return fmt.Errorf("the filter's %s is %s on the source, and %s on the destination", member, source[member], has)
			}
		}
		return nil
	})
}

// rxFilters are the members of a side's filters as JSON, by their number and name.
func rxFilters(ctx context.Context, s *migration.Side) (map[string]string, error) {
	var filters []map[string]json.RawMessage
	if err := s.QMP().Execute(ctx, "query-rx-filter", nil, &filters); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for n, filter := range filters {
		for member, value := range filter {
			all[fmt.Sprintf("%s of network device %d", member, n)] = string(value)
		}
	}
	return all, nil
}
