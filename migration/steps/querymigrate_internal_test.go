package steps

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
)

// TestMemberOfQueryMigrateIsFoundByItsPath, as a number; a list counts by its entries.
func TestMemberOfQueryMigrateIsFoundByItsPath(t *testing.T) {
	var reply map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(`{
		"status": "active", "cpu-throttle-percentage": 60, "none": null,
		"ram": {"mbps": 12.5, "remaining": 0}, "blocked-reasons": ["a", "b"], "empty": []
	}`), &reply))
	for _, c := range []struct {
		path  string
		value float64
		there bool
		wrong string
	}{
		{path: "cpu-throttle-percentage", value: 60, there: true},
		{path: "ram.mbps", value: 12.5, there: true},
		{path: "ram.remaining", value: 0, there: true},
		{path: "blocked-reasons", value: 2, there: true},
		{path: "empty", value: 0, there: true},
		{path: "total-time"},
		{path: "ram.total"},
		{path: "status", wrong: `status is "active", expected a number or a list`},
		{path: "none", wrong: "none is null, expected a number or a list"},
		{path: "ram", wrong: "expected a number or a list"},
		{path: "status.x", wrong: `status is "active", expected an object with x`},
		{path: "blocked-reasons.x", wrong: "expected an object with x"},
		{path: "none.x", wrong: "none is null, expected an object with x"},
	} {
		value, there, err := memberOf(reply, c.path)
		if c.wrong != "" {
			require.ErrorContains(t, err, c.wrong, c.path)
			require.False(t, there, c.path)
			continue
		}
		require.NoError(t, err, c.path)
		require.Equal(t, c.value, value, c.path)
		require.Equal(t, c.there, there, c.path)
	}
}

func TestValueIsWithinItsBounds(t *testing.T) {
	require.True(t, within(60, record.Between(21, 98)))
	require.False(t, within(99, record.Between(21, 98)))
	require.False(t, within(20, record.Between(21, 98)))
	require.True(t, within(0, record.Exactly(0)))
	require.True(t, within(5, record.AtLeast(5)))
	require.False(t, within(6, record.AtMost(5)))
}
