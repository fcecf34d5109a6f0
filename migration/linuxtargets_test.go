package migration_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

// TestWorkersNoticeAVCPUThatStandsStill: its threads are the ones to complain, unless what they
// need to do so waits for the deaf vCPU too: Linux soon gives it work, for it seems to be idle.
func TestWorkersNoticeAVCPUThatStandsStill(t *testing.T) {
	t.Parallel()
	requireLinuxFails(t, "linux/smp/4", linuxOptions(t, "x86_64"), deafen(1),
		"linux vcpus", `^(vCPU [0-3] has stood still for [0-9.]+ s: expected its number of beats to grow, found [0-9]+ all the time, |the guest's worker vcpus did not answer on the destination)`)
}

func TestWorkersNoticeAUSBDeviceThatIsGone(t *testing.T) {
	t.Parallel()
	unplug := func(ctx context.Context, p *migration.Pair) error {
		return p.Destination.Execute(ctx, "device_del", map[string]any{"id": "guest-tablet"})
	}
	requireLinuxFails(t, "linux/usb", linuxOptions(t, "x86_64"), unplug,
		"linux usb", `^usb-tablet: expected it to say who it is, found (no such device|cannot send after transport endpoint shutdown) `)
}

// TestWorkersNoticeAPictureThatIsLost: the host's copy of it, which QEMU sends beside the guest's RAM.
func TestWorkersNoticeAPictureThatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		fault   func(context.Context, *migration.Pair) error
		witness string
	}{
		"the destination has none": {
			func(ctx context.Context, p *migration.Pair) error { return qapi.SystemReset(ctx, p.Destination.QMP()) },
			`^virtio-gpu shows no frame of the guest's on the destination: of what would be frame 0, [0-9]+ of [0-9]+ pixels are wrong; the first: line 0, column 1: expected 0x[0-9a-f]{6}, found 0x[0-9a-f]{6}$`,
		},
		"the destination has an older one": {
			func(ctx context.Context, p *migration.Pair) error {
				if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
					return err
				}
				if err := p.ExpectPicture(ctx, p.Source); err != nil {
					return err
				}
				if err := p.ExpectPicture(ctx, p.Source); err != nil { // a later one
					return err
				}
				return qapi.Stop(ctx, p.Source.QMP())
			},
			`^virtio-gpu shows frame [0-9]+ on the destination, expected frame [0-9]+, as on the source: the guest was paused on both$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := linuxOptions(t, "x86_64")
			options.Rewrite = behind("await arrival", c.fault)
			requireFails(t, run(t, scenario(t, "linux/gpu"), options), "linux gpu", c.witness)
		})
	}
}

// requireLinuxFails does something to a guest that has arrived, and demands that this check fails.
func requireLinuxFails(t *testing.T, name string, options migration.Options, fault func(context.Context, *migration.Pair) error, check, witness string) {
	t.Helper()
	options.Rewrite = behind("await switchover within 15s", fault)
	requireFails(t, run(t, scenario(t, name), options), check, witness)
}

// requireFails demands that this check failed.
func requireFails(t *testing.T, result *record.Result, check, witness string) {
	t.Helper()
	if result.Outcome == record.Skip { // it lacks a kernel
		t.Skip(result.Reason)
	}
	v := verdictOf(t, result, check)
	if result.Record.Host != nil && v.Outcome == record.Unknown {
		t.Skip("what is late is no failure on a host as busy as this: " + v.Witness)
	}
	require.Equal(t, record.Fail, v.Outcome, "%s\n%s", v.Witness, explain(result))
	require.Regexp(t, witness, v.Witness)
}
