package migration_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qapi"
)

// TestAnswersThatDifferAreNamed, and so are those that nobody gives.
func TestAnswersThatDifferAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, command string
		fault         func(context.Context, *migration.Pair) error
		says          []string
	}{
		{
			"a device that only the destination has", "query-pci",
			func(ctx context.Context, p *migration.Pair) error {
				return qapi.DeviceAdd(ctx, p.Destination.QMP(), "virtio-rng-pci", "more", nil)
			},
			[]string{"query-pci: the length of answer[0].devices is ", " on the source, and "},
		},
		{
			"nothing to tell", "query-jobs",
			func(context.Context, *migration.Pair) error { return nil },
			[]string{"members of answers held against the source's", "0 members", "at least 1"},
		},
		{
			"a command that QEMU does not have", "query-nothing",
			func(context.Context, *migration.Pair) error { return nil },
			[]string{"members of answers held against the source's", "0 members", "at least 1"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			s, err := parse("# It asks.\n\ndestination args -S\n\nboot\nset downtime-limit 1m\nsave\nawait saved\nload\nawait arrival\n" +
				"expect equal-answers " + c.command + "\ndestination: cont\n")
			require.NoError(t, err)
			requireNoticedIn(t, s, after("await arrival", c.fault), c.says...)
		})
	}
}
