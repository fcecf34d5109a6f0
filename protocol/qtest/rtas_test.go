package qtest_test

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qtest"
)

func TestRTASOfARealPseries(t *testing.T) {
	for _, b := range qemutest.Binaries(t, "ppc64") {
		t.Run(qemutest.Version(t, b), func(t *testing.T) {
			p := startQEMU(t, b, "-machine", "pseries", "-m", "256")
			s, ctx := p.session(t, qtest.Options{}), t.Context()
			order, err := s.ByteOrder(ctx)
			require.NoError(t, err)
			require.Equal(t, binary.BigEndian, order)
			const results = 0x1000
			answer, err := s.RTAS(ctx, "get-time-of-day", 0, 0, 8, results)
			require.NoError(t, err)
			require.Zero(t, answer)
			status, err := s.Readl(ctx, results)
			require.NoError(t, err)
			require.Zero(t, status)
			year, err := s.Readl(ctx, results+4)
			require.NoError(t, err)
			require.InDelta(t, time.Now().UTC().Year(), year, 1)
			answer, err = s.RTAS(ctx, "nosuch", 0, 0, 1, results)
			require.NoError(t, err)
			require.Negative(t, answer)
			require.Empty(t, p.crashed())
		})
		t.Run(qemutest.Version(t, b)+" of another machine", func(t *testing.T) {
			p := startQEMU(t, b, "-machine", "g3beige")
			_, err := p.session(t, qtest.Options{}).RTAS(t.Context(), "get-time-of-day", 0, 0, 8, 0x1000)
			_, ok := errors.AsType[*qtest.ArgumentError](err)
			require.True(t, ok, "%v", err)
		})
	}
}
