package migration_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestFeatureThatDoesNothingIsNoticed leaves out of a story the step that turns a
// feature on, as if QEMU had said yes and done nothing, and demands that the scenario
// sees from outside that it was not there.
func TestFeatureThatDoesNothingIsNoticed(t *testing.T) {
	for _, c := range []struct{ scenario, without, witness string }{
		{"precopy/file/mapped-ram", "enable mapped-ram", "is it a file of capability mapped-ram"},
		{"multifd/file/mapped-ram/live", "set multifd-channels to 4 on both", "threads that move pages on the source: 2"},
		{"multifd/file/mapped-ram/dio", "set direct-io to true on both", "descriptors with O_DIRECT on the source: 0"},
		{"mode/reboot", "enable x-ignore-shared", "size of the file"},
		{"mode/reboot", "set mode to cpr-reboot on both", "active before its guest had stopped"},
	} {
		t.Run(c.scenario+"/"+c.without, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, c.scenario), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
				Rewrite: func(steps migration.Steps) migration.Steps {
					whole := len(steps)
					steps = slices.DeleteFunc(slices.Clone(steps), func(s migration.Step) bool { return s.Name == c.without })
					require.Len(t, steps, whole-1)
					return steps
				},
			})
			if result.Outcome == record.Skip {
				t.Skip(result.Reason)
			}
			require.Equal(t, record.Fail, result.Outcome, explain(result))
			require.Contains(t, explain(result), c.witness)
		})
	}
}
