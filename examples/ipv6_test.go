package examples

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// overIPv6 has no counterpart among drover's own scenarios. Its steps are the same that
// scenario files use; drover adds the start of the VMs, and the proof at the end.
func overIPv6() migration.Scenario {
	return migration.Scenario{
		Name: "precopy/tcp/ipv6",
		Doc:  "The guest moves over IPv6.",
		Steps: migration.Steps{
			steps.EnsureNonConverge(), steps.Set(qapi.ParamMaxBandwidth, 1*steps.GB),
			steps.Boot(), steps.Listen("tcp:[::1]:0"), steps.Migrate(), steps.AwaitPasses(1),
			steps.UnlimitedDowntime(), steps.AwaitSwitchover(),
		},
	}
}

func TestGuestMovesOverIPv6(t *testing.T) {
	requireIPv6(t)
	result, err := overIPv6().Run(t.Context(), migration.Options{Source: qemu(t), Artifacts: t.ArtifactDir()})
	require.NoError(t, err)
	require.Equal(t, record.Pass, result.Outcome, result.Reason)
	t.Logf("downtime %d ms, %d passes", result.Record.Migration.DowntimeMS, result.Record.Migration.Passes)
}
