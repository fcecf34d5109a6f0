package report

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAmountsAreReadAtAGlance(t *testing.T) {
	for want, x := range map[string]float64{
		"0 ms": 0, "0.0123 ms": 0.01234, "-12.3 ms": -12.34, "999 ms": 999, "1,000 ms": 999.6, "1,654 ms": 1653.5, "-1,234,568 ms": -1234567.5,
	} {
		require.Equal(t, want, amount(x, "ms"))
	}
}
