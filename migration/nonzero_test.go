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
	const tries = 5 // a host may let the guest run, and not us, until it is near zero again
	for range tries {
		if began := whereMigrationBegins(t); began < 240 {
			require.Positive(t, began)
			return
		}
	}
	t.Fatal("it has begun just before zero")
}

// whereMigrationBegins is the guest's counter after a migration that is told to begin at 252,
// as it is after some 12 s: the guest counts on from there.
func whereMigrationBegins(t *testing.T) (began byte) {
	t.Helper()
	seen := false
	run(t, scenario(t, "precopy/unix/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
		Rewrite: func(all migration.Steps) migration.Steps {
			for i, s := range all {
				if s.Name != "migrate" {
					continue
				}
				all[i].Do = func(ctx context.Context, p *migration.Pair) error {
					for at := p.Program.Start; at < p.Program.End; at += 4096 {
						if err := p.Source.QTest().Writeb(ctx, at, 252); err != nil {
							return err
						}
					}
					require.NoError(t, s.Do(ctx, p))
					now, wrong := p.Counter(ctx, p.Source)
					require.NoError(t, wrong)
					began, seen = now.Value, true
					return errors.New("enough, for the workload is not what it was to be")
				}
			}
			return all
		},
	})
	require.True(t, seen)
	return began
}
