package examples

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

// The same as: drover run precopy-twice.scenario
func TestScenarioFile(t *testing.T) {
	const file = "precopy-twice.scenario"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	scenario, err := migration.Parse("precopy-twice", file, string(text), steps.Verbs())
	require.NoError(t, err)
	result, err := scenario.Run(t.Context(), migration.Options{Source: qemu(t), Artifacts: t.ArtifactDir()})
	require.NoError(t, err)
	require.Equal(t, record.Pass, result.Outcome, result.Reason)
}
