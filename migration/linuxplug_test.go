package migration_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestWorkersNoticeWhatIsDoneToWhatWasPlugged: a byte changes in a page of the DIMM's that the
// guest has filled.
func TestWorkersNoticeWhatIsDoneToWhatWasPlugged(t *testing.T) {
	t.Parallel()
	options := linuxOptions(t, "x86_64")
	value := byte(0)
	tampering := linuxTampering{
		what: "a byte of its DIMM changes", worker: "dimm",
		complaints: []string{`^the byte at 0x1[0-9a-f]{8} is wrong: expected 0x[0-9a-f]+, found 0x[0-9a-f]+; [0-9]+ bytes of page 0, generation [0-9]+, are wrong`},
		again: func(ctx context.Context, p *migration.Pair) error {
			value ^= 0xff
			return p.Destination.QTest().Writeb(ctx, p.Linux().Workers()["dimm"].Counts.Counts["first-page"]+123, value)
		},
	}
	options.Rewrite = behind("destination: cont", func(ctx context.Context, p *migration.Pair) error { return complained(ctx, p, tampering) })
	result := run(t, scenario(t, "linux/hotplug/memory"), options)
	v := verdictOf(t, result, "linux dimm")
	require.Equal(t, record.Fail, v.Outcome, explain(result))
	require.Contains(t, v.Witness, "the byte at 0x1")
}

// TestADestinationWithoutWhatWasPluggedTakesNoGuest: it is what a step plugs that the destination
// has to be started with.
func TestADestinationWithoutWhatWasPluggedTakesNoGuest(t *testing.T) {
	t.Parallel()
	options := linuxOptions(t, "x86_64")
	options.Rewrite = func(steps migration.Steps) migration.Steps {
		return slices.DeleteFunc(slices.Clone(steps), func(s migration.Step) bool {
			return s.Name == "quit destination" || s.Name == "start destination"
		})
	}
	result := run(t, scenario(t, "linux/hotplug"), options)
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Regexp(t, `load of migration failed`, result.Reason)
}
