package migration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
)

// TestMigrationBeginsWhenTheWorkloadIsNotZero: zero pages take no time, and a first pass that
// takes none is the last.
func TestMigrationBeginsWhenTheWorkloadIsNotZero(t *testing.T) {
	t.Parallel()
	seen := false
	run(t, scenario(t, "precopy/unix/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
		Rewrite: func(all migration.Steps) migration.Steps {
			for i, s := range all {
				if s.Name != "migrate" {
					continue
				}
				all[i].Do = func(ctx context.Context, p *migration.Pair) error {
					// As it is after some 12 s: the guest counts on from there.
					for at := p.Program.Start; at < p.Program.End; at += 4096 {
						if err := p.Source.QTest().Writeb(ctx, at, 252); err != nil {
							return err
						}
					}
					require.NoError(t, s.Do(ctx, p))
					now, wrong := p.Counter(ctx, p.Source)
					require.NoError(t, wrong)
					require.Positive(t, now.Value)
					require.Less(t, now.Value, byte(240), "it has gone past zero")
					seen = true
					return errors.New("enough, for the workload is not what it was to be")
				}
			}
			return all
		},
	})
	require.True(t, seen)
}
