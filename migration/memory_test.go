package migration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestEveryMemoryBackendIsCompared breaks one byte of each kind of memory on the
// destination, and demands that it is found, by its address.
func TestEveryMemoryBackendIsCompared(t *testing.T) {
	long(t)
	for _, c := range []struct {
		scenario string
		address  uint64
		witness  string
	}{
		{"memory/pc-dimm", 0x100000000 + 0x1234567, "0x101234567"},
		{"memory/nvdimm", 0x100000000 + 128<<20 - 1, "0x107ffffff"},
		{"memory/memfd", 150<<20 - 1, "0x95fffff"},
		{"memory/numa", 149 << 20, "0x9500000"},
		{"memory/above-4GiB", 0x140000123, "0x140000123"},
		{"memory/above-4GiB", 0x100000000 + 2<<30 - 1, "0x17fffffff"}, // the last byte
		{"machine/q35", 0x7000, "0x7000"},
	} {
		t.Run(c.scenario+" "+c.witness, func(t *testing.T) {
			var was byte
			result := run(t, scenario(t, c.scenario), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
				Rewrite: after("stop the destination", func(ctx context.Context, p *migration.Pair) (err error) {
					if was, err = p.Destination.QTest().Readb(ctx, c.address); err != nil {
						return err
					}
					return errors.Join(err, p.Destination.QTest().Writeb(ctx, c.address, was+1))
				}),
			})
			if result.Outcome == record.Skip {
				t.Skip(result.Reason)
			}
			require.Equal(t, record.Fail, result.Outcome, explain(result))
			for _, v := range result.Verdicts {
				if v.Check == "memory" {
					require.Equal(t, record.Fail, v.Outcome, explain(result))
					require.Contains(t, v.Witness, c.witness)
				} else {
					require.Equal(t, record.Pass, v.Outcome, explain(result))
				}
			}
		})
	}
}
