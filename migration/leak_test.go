package migration_test

import (
	"context"
	"testing"

	"github.com/drover-vm/drover/migration"
)

// TestMemoryThatADestinationKeepsIsNoticed has it copy a huge disk, which has nothing to do with
// the migration: the bitmap of what is still to be copied takes 128 MiB.
func TestMemoryThatADestinationKeepsIsNoticed(t *testing.T) {
	t.Parallel()
	long(t)
	const step = "await switchover within 15s"
	requireNoticed(t, "precopy/unix/plain", "memory of the destination, beyond that which it began with", after(step, func(ctx context.Context, p *migration.Pair) error {
		type arguments = map[string]any
		for _, name := range []string{"from", "to"} {
			disk := arguments{"driver": "null-co", "node-name": name, "size": 1 << 46}
			if err := p.Destination.QMP().Execute(ctx, "blockdev-add", disk, nil); err != nil {
				return err
			}
		}
		job := arguments{"job-id": "copy", "device": "from", "target": "to", "sync": "full", "speed": 1}
		return p.Destination.QMP().Execute(ctx, "blockdev-backup", job, nil)
	}))
}
