package launcher

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsLostOfTheErrorOutputIsCounted: only its end is kept.
func TestWhatIsLostOfTheErrorOutputIsCounted(t *testing.T) {
	v := &VM{stderr: &tail{}}
	for range 3 {
		_, err := v.stderr.Write([]byte(strings.Repeat("x", tailKept/2)))
		require.NoError(t, err)
	}
	require.Len(t, v.Stderr(), tailKept)
	require.EqualValues(t, tailKept/2, v.StderrLost())
}
