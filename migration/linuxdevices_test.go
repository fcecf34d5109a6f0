package migration_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// A deviceFault is done to a Linux guest that has arrived, and its worker must say so.
type deviceFault struct {
	what, worker, complaint string
	// fault is done once; again, where there is one, until the worker complains.
	fault, again func(ctx context.Context, p *migration.Pair) error
}

// requireComplaints moves a guest, does each fault to it in turn, and demands that its worker
// complains of each.
func requireComplaints(t *testing.T, name string, faults []deviceFault) {
	t.Helper()
	options := linuxOptions(t)
	done := 0
	options.Rewrite = func(all migration.Steps) migration.Steps {
		at := slices.IndexFunc(all, func(s migration.Step) bool { return s.Name == "await switchover within 15s" })
		require.Positive(t, at)
		all = slices.Insert(slices.Clone(all), at+1, migration.Step{Name: "end", Do: func(context.Context, *migration.Pair) error { return errTampered }})
		for _, f := range slices.Backward(faults) {
			all = slices.Insert(slices.Clone(all), at+1, migration.Step{
				Name: "tamper: " + f.what, Timeout: 2 * migration.StepTimeout,
				Do: func(ctx context.Context, p *migration.Pair) error {
					err := complained(ctx, p, f)
					if err == nil {
						done++
					}
					return err
				},
			})
		}
		return all
	}
	result := run(t, scenario(t, name), options)
	require.Equal(t, len(faults), done, "%s\n%s", result.Reason, explain(result))
	require.Contains(t, result.Reason, errTampered.Error())
}

// complained does a fault, and waits for what the worker says of it.
func complained(ctx context.Context, p *migration.Pair, f deviceFault) error {
	witness := regexp.MustCompile(f.complaint)
	if f.fault != nil {
		if err := f.fault(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
	}
	err := migration.Poll(ctx, "the worker "+f.worker+" to complain", func() (bool, error) {
		if slices.ContainsFunc(p.Linux().Workers()[f.worker].Complaints, witness.MatchString) {
			return true, nil
		}
		if f.again == nil {
			return false, nil
		}
		return false, f.again(ctx, p)
	})
	if err != nil {
		return fmt.Errorf("%s: %w: %q is not in %q", f.what, err, f.complaint, p.Linux().Workers()[f.worker].Complaints)
	}
	return nil
}

// onImage does something to the image of a device, as somebody else who writes to it would.
func onImage(device string, do func(image *os.File) error) func(context.Context, *migration.Pair) error {
	return func(_ context.Context, p *migration.Pair) error {
		image, err := os.OpenFile(p.Path("guest-"+device+".img"), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer image.Close()
		return do(image)
	}
}

// onDestination is where drover adds that the guest complained.
const onDestination = ` \(on the destination, [0-9.]+ s after its boot\)$`

// diskBlock is the size of the blocks that the worker block writes.
const diskBlock = 4096

// copyBlock copies a block over another.
func copyBlock(from, to int64) func(image *os.File) error {
	return func(image *os.File) error {
		block := make([]byte, diskBlock)
		if _, err := image.ReadAt(block, from*diskBlock); err != nil {
			return err
		}
		_, err := image.WriteAt(block, to*diskBlock)
		return err
	}
}

// TestWorkersNoticeWhatIsDoneToTheirDisks: the blocks below 128 are written once, the others
// again and again.
func TestWorkersNoticeWhatIsDoneToTheirDisks(t *testing.T) {
	t.Parallel()
	old := make([]byte, diskBlock)
	wrong := func(sector int) string {
		return fmt.Sprintf(`, sector %d: the byte at \d+ is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}; \d+ bytes of block \d+, generation \d+, are wrong`, sector)
	}
	requireComplaints(t, "linux/disk", []deviceFault{
		{
			what: "a byte that was written before the guest moved changes", worker: "block", complaint: "^virtio-blk" + wrong(25) + onDestination,
			fault: onImage("virtio-blk", func(image *os.File) error {
				b := make([]byte, 1)
				if _, err := image.ReadAt(b, 25*512+7); err != nil {
					return err
				}
				_, err := image.WriteAt([]byte{b[0] ^ 0xff}, 25*512+7)
				return err
			}),
		},
		{
			what: "a block comes where another was", worker: "block", complaint: "^virtio-scsi" + wrong(40) + "; that is block 3, generation 1" + onDestination,
			fault: onImage("virtio-scsi", copyBlock(3, 5)),
		},
		{
			what: "a write is lost", worker: "block", complaint: "^virtio-scsi" + wrong(200*8) + `; that is what it had \d+ generations before` + onDestination,
			fault: onImage("virtio-scsi", func(image *os.File) error {
				_, err := image.ReadAt(old, 200*diskBlock)
				return err
			}),
			again: onImage("virtio-scsi", func(image *os.File) error {
				_, err := image.WriteAt(old, 200*diskBlock)
				return err
			}),
		},
		{
			what: "the disk fails", worker: "block", complaint: `^virtio-blk, sector \d+: a read of 65536 bytes failed: expected no error, found .*input/output error after 0 bytes` + onDestination,
			fault: func(ctx context.Context, p *migration.Pair) error {
				_, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "drive_del guest-virtio-blk")
				return err
			},
		},
	})
}

// TestDevicesOfLinuxGuestsHaveIDsOfTheirOwn, which none of drover's and of a user's are.
func TestDevicesOfLinuxGuestsHaveIDsOfTheirOwn(t *testing.T) {
	ids := regexp.MustCompile(`\bid=([^,]*)`)
	r := &guest.Resources{Dir: t.TempDir()}
	seen := map[string]bool{}
	for _, d := range guest.Devices() {
		for _, arg := range d.Args(r) {
			for _, found := range ids.FindAllStringSubmatch(arg, -1) {
				require.Regexp(t, "^guest-", found[1], d.Name)
				require.False(t, seen[found[1]], found[1])
				seen[found[1]] = true
			}
		}
	}
}
