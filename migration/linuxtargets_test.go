package migration_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
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
	options := linuxOptions(t, "x86_64")
	options.Rewrite = behind("destination: expect input", unplug)
	requireFails(t, run(t, scenario(t, "linux/usb"), options),
		"linux usb", `^usb-tablet: expected it to say who it is, found (no such device|cannot send after transport endpoint shutdown) `)
}

func TestWorkersNoticeAHostThatDoesNotCome(t *testing.T) {
	t.Parallel()
	hangUp := func(ctx context.Context, p *migration.Pair) error {
		return p.Destination.Execute(ctx, "chardev-change", map[string]any{"id": "guest-host-coming", "backend": map[string]any{"type": "null", "data": struct{}{}}})
	}
	requireLinuxFails(t, "linux/serial-hosts", linuxOptions(t, "x86_64"), hangUp,
		"linux hosts", `^the guest sees its serial port drover.coming closed on the destination, expected it to be open`)
}

// TestWorkersNoticeAnAddressThatIsLost: the second of those that an e1000 compares frames with.
func TestWorkersNoticeAnAddressThatIsLost(t *testing.T) {
	t.Parallel()
	lose := func(ctx context.Context, p *migration.Pair) error {
		const second = 0x540c // its upper half, and whether it is one
		registers, err := regionOf(ctx, p, "8086:100e", 0)
		if err != nil {
			return err
		}
		return p.Destination.QTest().Writel(ctx, registers+second, 0)
	}
	requireLinuxFails(t, "linux/net/e1000", linuxOptions(t, "x86_64"), lose,
		"linux address", `^e1000 no longer lets in frames to its further address 52:54:00:d7:01:02: expected an answer before the one to its own, 52:54:00:d7:01:01, found none 8 times in a row `)
}

// TestWorkersNoticeKeysThatGoElsewhere: QEMU gives them to the keyboard that came last.
func TestWorkersNoticeKeysThatGoElsewhere(t *testing.T) {
	t.Parallel()
	plug := func(ctx context.Context, p *migration.Pair) error {
		return p.Destination.Execute(ctx, "device_add", map[string]any{"driver": "usb-kbd", "bus": "guest-tablet-bus.0"})
	}
	requireLinuxFails(t, "linux/usb", linuxOptions(t, "x86_64"), plug,
		"linux input", `^the guest did not hear all of what was done with usb-kbd on the destination: expected 1 presses and 1 releases, found 0 presses and 0 releases in [0-9]+ looks$`)
}

// TestWorkersNoticeAPictureThatIsLost: QEMU's copy of it, which is sent behind the guest's RAM.
func TestWorkersNoticeAPictureThatIsLost(t *testing.T) {
	const text = `
guest linux with virtio-gpu
boot
listen unix
tap
stop
migrate
await arrival
both: expect picture
destination: cont
destination: expect picture
`
	for name, c := range map[string]struct {
		behind  string
		fault   func(context.Context, *migration.Pair) error
		witness string
	}{
		"a byte of it changes on its way": {
			"stop", flipPicture,
			`^virtio-gpu shows no frame of the guest's on the destination: of what would be frame [0-9]+, 1 of 307200 pixels are wrong; the first: line [0-9]+, column [0-9]+: expected 0x[0-9a-f]{6}, found 0x[0-9a-f]{6}$`,
		},
		"the destination has an older one": {
			"await arrival",
			func(ctx context.Context, p *migration.Pair) error {
				if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
					return err
				}
				for range 2 { // the second is later
					if err := p.ExpectPicture(ctx, p.Source); err != nil {
						return err
					}
				}
				return qapi.Stop(ctx, p.Source.QMP())
			},
			`^virtio-gpu shows frame [0-9]+ on the destination, expected frame [0-9]+, as on the source: the guest was paused on both$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := linuxOptions(t, "x86_64")
			options.Rewrite = behind(c.behind, c.fault)
			s, err := parse(text)
			require.NoError(t, err)
			requireFails(t, run(t, s, options), "linux gpu", c.witness)
		})
	}
}

// flipPicture has a byte of the picture changed that QEMU is going to send. The guest, which is
// paused, has two buffers, one of which is shown, and the kernel one; QEMU sends the newest first.
func flipPicture(ctx context.Context, p *migration.Pair) error {
	if err := p.ExpectPicture(ctx, p.Source); err != nil {
		return err
	}
	const buffer = 640 * 480 * 4
	at := int64(buffer / 2)
	if p.Facts.Linux.Pictures[0].Frame%2 == 0 { // it is in the older one
		at += buffer
	}
	return steps.InjectFault(steps.LinkFault{Do: steps.FaultFlip, After: "/virtio-gpu", At: at}).Do(ctx, p)
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
