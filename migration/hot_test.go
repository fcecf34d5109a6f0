package migration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestLostWritesToHotPagesAreNoticed: QEMU did lose them once, and what an old one does is
// no stub.
func TestLostWritesToHotPagesAreNoticed(t *testing.T) {
	long(t)
	for _, qemu := range qemutest.Fleet(t, "x86_64") {
		t.Run(qemu, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, "exact/ram/hot"), migration.Options{Source: qemu, Artifacts: t.TempDir()})
			if result.Record.KnownBug == "" || result.Outcome == record.Pass { // it may have been mended there
				require.Equal(t, record.Pass, result.Outcome, explain(result))
				return
			}
			require.Equal(t, record.Skip, result.Outcome, explain(result))
			require.Contains(t, result.Reason, result.Record.KnownBug)
			result.Record.KnownBug = ""
			result.Judge()
			require.Equal(t, record.Fail, result.Outcome, "the loss by itself")
			require.Contains(t, result.Reason, "of 64 pages are wrong")
		})
	}
}
