package schema_test

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

// versions are those whose schemas were recorded, from Debian's x86_64 QEMUs.
func versions() []string { return []string{"5.2", "7.2", "10.0", "11.1"} }

func recorded(t testing.TB, version string) json.RawMessage {
	f, err := os.Open(filepath.Join("testdata", version+".json.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	raw, err := io.ReadAll(z)
	require.NoError(t, err)
	return raw
}

func parsed(t testing.TB, version string) *schema.Schema {
	s, err := schema.Parse(recorded(t, version))
	require.NoError(t, err)
	return s
}
