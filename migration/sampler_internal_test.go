package migration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

func TestSamplesOfALongMigrationAreThinnedOutAndSpanAllOfIt(t *testing.T) {
	var watched int
	s := sampler{watch: func(record.Sample) { watched++ }}
	s.of(&Pair{Source: &Side{}, Facts: &record.Record{}, LinkSent: func() int64 { return 7 }})
	began := time.Now()
	const many = 20 * record.MaxSamples
	for i := range many {
		s.keep(began.Add(time.Duration(i)*time.Second), qapi.MigrationInfo{Status: qapi.MigrationActive, RAM: &qapi.MigrationRAM{Transferred: uint64(i)}})
	}
	s.keep(began, qapi.MigrationInfo{Status: qapi.MigrationNone})
	all := s.take()
	require.Equal(t, many, watched)
	require.LessOrEqual(t, len(all), record.MaxSamples)
	require.GreaterOrEqual(t, len(all), record.MaxSamples/2)
	require.Less(t, all[0].Bytes, uint64(many/100))
	require.Greater(t, all[len(all)-1].Bytes, uint64(many-many/100))
	for i, sample := range all[1:] {
		require.Greater(t, sample.Bytes, all[i].Bytes)
		require.EqualValues(t, 7, *sample.OnLink)
	}
	require.Empty(t, s.take(), "what was taken is another's")
}

func TestGuestsSpeedIsTakenFromThreeHeartbeatsAtLeast(t *testing.T) {
	began := time.Now()
	at := func(ms ...int) (all []time.Time) {
		for _, n := range ms {
			all = append(all, began.Add(time.Duration(n)*time.Millisecond))
		}
		return all
	}
	end := began.Add(time.Second)
	require.Zero(t, speed(at(0, 100), began, end))
	require.InDelta(t, 10, speed(at(0, 100, 200), began, end), 0.01)
	require.InDelta(t, 10, speed(at(0, 100, 200, 300, 1500), began.Add(50*time.Millisecond), end), 0.01)
	require.Zero(t, speed(at(5, 5, 5), began, end), "at one time")
}
