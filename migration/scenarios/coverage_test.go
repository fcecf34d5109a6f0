package scenarios_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/coverage"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/scenarios"
)

// schemas are those that were recorded from each QEMU of the fleet.
const schemas = "../../protocol/qmp/schema/testdata"

func watchers() coverage.Watchers {
	w := coverage.Watchers{Scenarios: map[string]string{}}
	for _, s := range scenarios.All() {
		w.Scenarios[s.Name] = s.Text
	}
	for _, c := range record.Checks() {
		w.Checks = append(w.Checks, c.Name)
	}
	return w
}

// TestEverythingThatQEMUOffersIsWatched, or has a line that says why not: a QEMU with
// something new in its schema fails it, until somebody has said who watches that.
func TestEverythingThatQEMUOffersIsWatched(t *testing.T) {
	fleet, err := coverage.ReadRecorded(os.DirFS(schemas))
	require.NoError(t, err)
	list, err := coverage.Parse(scenarios.Coverage())
	require.NoError(t, err)
	require.Empty(t, strings.Join(list.Problems(fleet, watchers()), "\n"))
}

// TestNewParameterIsNotOverlooked: it is the schema of the newest QEMU, in which
// announce-rounds has another name.
func TestNewParameterIsNotOverlooked(t *testing.T) {
	const newest = "11.1.json.gz"
	text, err := os.ReadFile(schemas + "/" + newest)
	require.NoError(t, err)
	unpacked, err := gzip.NewReader(bytes.NewReader(text))
	require.NoError(t, err)
	text, err = io.ReadAll(unpacked)
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(`"announce-rounds"`), []byte(`"announce-turns"`))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	fleet, err := coverage.ReadRecorded(fstest.MapFS{newest: {Data: packed.Bytes()}})
	require.NoError(t, err)
	list, err := coverage.Parse(scenarios.Coverage())
	require.NoError(t, err)

	problems := strings.Join(list.Problems(fleet, watchers()), "\n")
	require.Contains(t, problems, `QEMU 11.1 has the parameter announce-turns, which migration/scenarios/coverage.txt lacks: add a line "parameter announce-turns = "`)
	require.Regexp(t, `coverage\.txt:[0-9]+: no recorded schema has the parameter announce-rounds: remove the line, or correct it`, problems)
	require.NotContains(t, problems, "announce-max")
}
