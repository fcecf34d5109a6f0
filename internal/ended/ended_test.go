package ended_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/ended"
)

func TestAnEndedContextIsSaidWithItsCause(t *testing.T) {
	require.NoError(t, ended.By(t.Context()))

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, ended.By(cancelled), "nothing is added where there is no cause")

	enough := errors.New("enough")
	timed, stop := context.WithDeadlineCause(t.Context(), time.Unix(1, 0), enough)
	defer stop()
	err := ended.By(timed)
	require.ErrorIs(t, err, enough)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, context.Canceled)
}
