package migration_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestWorkersNoticeAVCPUThatStandsStill: its threads are the ones to complain, unless what they
// need to do so waits for the deaf vCPU too: Linux soon gives it work, for it seems to be idle.
func TestWorkersNoticeAVCPUThatStandsStill(t *testing.T) {
	t.Parallel()
	requireLinuxFails(t, "linux/smp/4", linuxOptions(t, "x86_64"), deafen(1),
		"linux vcpus", `^(vCPU [0-3] has stood still for [0-9.]+ s: expected its number of beats to grow, found [0-9]+ all the time, |the guest's worker vcpus did not answer on the destination)`)
}

// TestWorkersNoticeAUSBDeviceThatIsGone: x86_64's kernel has no driver for USB.
func TestWorkersNoticeAUSBDeviceThatIsGone(t *testing.T) {
	t.Parallel()
	unplug := func(ctx context.Context, p *migration.Pair) error {
		return p.Destination.Execute(ctx, "device_del", map[string]any{"id": "guest-tablet"})
	}
	requireLinuxFails(t, "linux/usb", linuxOptions(t, "riscv64"), unplug,
		"linux usb", `^usb-tablet: expected it to say who it is, found (no such device|cannot send after transport endpoint shutdown) `)
}

// requireLinuxFails does something to a guest that has arrived, and demands that this check fails.
func requireLinuxFails(t *testing.T, name string, options migration.Options, fault func(context.Context, *migration.Pair) error, check, witness string) {
	t.Helper()
	options.Rewrite = behind("await switchover within 15s", fault)
	result := run(t, scenario(t, name), options)
	v := verdictOf(t, result, check)
	if result.Record.Host != nil && v.Outcome == record.Unknown {
		t.Skip("what is late is no failure on a host as busy as this: " + v.Witness)
	}
	require.Equal(t, record.Fail, v.Outcome, "%s\n%s", v.Witness, explain(result))
	require.Regexp(t, witness, v.Witness)
}
