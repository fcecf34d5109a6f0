package migration_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestADiskThatArrivesWithoutWhatWasWrittenIsNoticed by the guest, which finds its destination's
// own image without it.
func TestADiskThatArrivesWithoutWhatWasWrittenIsNoticed(t *testing.T) {
	nothing := func(context.Context, *migration.Pair) error { return nil }
	for name, c := range map[string]struct {
		witness string
		rewrite func(migration.Steps) migration.Steps
	}{
		"nothing is mirrored": {
			`^virtio-blk-local, sector \d+: the byte at \d+ is wrong: expected 0x6b, found 0x00; \d+ bytes of block \d+, generation \d+, are wrong \(on the destination, `,
			func(steps migration.Steps) migration.Steps {
				steps = slices.Clone(steps)
				for i := range steps {
					if strings.Contains(steps[i].Name, "mirror") || strings.Contains(steps[i].Name, "nbd-server-stop") {
						steps[i].Do = nothing
					}
				}
				return steps
			},
		},
		"a byte that was mirrored changes": {
			`^virtio-blk-local, sector 25: the byte at 12807 is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}; 1 bytes of block 3, generation 1, are wrong \(on the destination, `,
			behind("end mirror", func(_ context.Context, p *migration.Pair) error {
				image, err := os.OpenFile(p.Path("guest-virtio-blk-local.destination.img"), os.O_RDWR, 0)
				if err != nil {
					return err
				}
				defer image.Close()
				b := make([]byte, 1)
				if _, err := image.ReadAt(b, 25*512+7); err != nil {
					return err
				}
				_, err = image.WriteAt([]byte{b[0] ^ 0xff}, 25*512+7)
				return err
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := linuxOptions(t, "x86_64")
			options.Rewrite = c.rewrite
			result := run(t, scenario(t, "linux/storage"), options)
			v := verdictOf(t, result, "linux block")
			require.Equal(t, record.Fail, v.Outcome, explain(result))
			require.Regexp(t, c.witness, v.Witness)
		})
	}
}
