package qapi

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// RecordedVersions are those whose schemas and replies were recorded, in order.
func RecordedVersions() []string { return []string{"5.2", "7.2", "10.0", "11.1"} }

// RecordedSchemas are those that package schema's own tests are run on, by version.
func RecordedSchemas(t testing.TB) map[string]*schema.Schema {
	all := map[string]*schema.Schema{}
	for _, version := range RecordedVersions() {
		f, err := os.Open(filepath.Join("..", "qmp", "schema", "testdata", version+".json.gz"))
		require.NoError(t, err)
		defer f.Close()
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		raw, err := io.ReadAll(z)
		require.NoError(t, err)
		all[version], err = schema.Parse(json.RawMessage(raw))
		require.NoError(t, err)
	}
	return all
}
