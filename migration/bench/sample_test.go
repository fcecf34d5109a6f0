package bench_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
)

// measured is the record of a run that took half a second, paused its guest for 40 ms and
// sent 150 MB.
func measured() *record.Record {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	event := func(ms int, name, data string) record.EventFacts {
		return record.EventFacts{Time: at(ms), Name: name, Data: json.RawMessage(data)}
	}
	return &record.Record{
		Source: &record.SideFacts{Began: began, Events: []record.EventFacts{
			event(-900, "STOP", `{}`), event(-800, "RESUME", `{}`), // of before
			event(5, "MIGRATION", `{"status":"active"}`), event(440, "STOP", `{}`), event(500, "MIGRATION", `{"status":"completed"}`),
		}},
		Destination: &record.SideFacts{Events: []record.EventFacts{event(480, "RESUME", `{}`)}},
		Migration:   &record.MigrationFacts{TotalMS: 498, DowntimeMS: 38, Passes: 3, Bytes: 150e6},
		Measures: []record.Measure{
			{What: "connections", Value: 1}, {What: "bench: guest-pages/s", Value: 25}, {What: "bench: guest-during-ratio", Value: 0.7},
		},
		Costs: &record.CostFacts{
			Seconds: 0.5, Source: record.SideCost{VCPUSeconds: 0.3, OtherSeconds: 0.2, PeakRSS: 180e6},
			Destination: record.SideCost{VCPUSeconds: 0.01, OtherSeconds: 0.1, PeakRSS: 160e6},
		},
	}
}

func TestASampleIsTakenFromARecord(t *testing.T) {
	s, err := bench.SampleOf(measured())
	require.NoError(t, err)
	require.True(t, s.Converged)
	require.InDeltaMapValues(t, map[stats.Metric]float64{
		stats.Total: 0.5, stats.Downtime: 0.04, stats.DowntimeReported: 0.038, stats.Sent: 150e6, stats.Throughput: 300e6,
		stats.Passes: 3, stats.CPUSource: 0.2, stats.CPUDestination: 0.1, stats.VCPUSource: 0.3, stats.VCPUDestination: 0.01,
		stats.RSSSource: 180e6, stats.RSSDestination: 160e6, stats.GuestSpeed: 25, stats.GuestDuring: 0.7,
	}, s.Values, 1e-6)
}

func TestARecordThatHasNoSampleSaysWhy(t *testing.T) {
	for name, test := range map[string]struct {
		doctor func(r *record.Record)
		says   string
	}{
		"the run failed":      {func(r *record.Record) { r.Error = "line 7: migrate: refused" }, "line 7: migrate: refused"},
		"nothing completed":   {func(r *record.Record) { r.Migration = nil }, "no migration that is completed"},
		"no destination":      {func(r *record.Record) { r.Destination = nil }, "no migration that is completed"},
		"never resumed":       {func(r *record.Record) { r.Destination.Events = nil }, "no STOP of the source with a RESUME"},
		"stopped only before": {func(r *record.Record) { r.Source.Events = r.Source.Events[:3] }, "no STOP of the source with a RESUME"},
		"no costs":            {func(r *record.Record) { r.Costs = nil }, "with its costs"},
	} {
		t.Run(name, func(t *testing.T) {
			r := measured()
			test.doctor(r)
			_, err := bench.SampleOf(r)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestWhatIsNoNumberIsNotMeasured(t *testing.T) {
	r := measured()
	r.Measures[1].Value, r.Measures[2].Value = math.NaN(), math.Inf(1)
	r.Costs.Source.PeakRSS = 0 // nothing could be read of that process
	s, err := bench.SampleOf(r)
	require.NoError(t, err)
	require.NotContains(t, s.Values, stats.CPUSource)
	require.NotContains(t, s.Values, stats.GuestSpeed)
	require.NotContains(t, s.Values, stats.GuestDuring)
	require.Contains(t, s.Values, stats.CPUDestination)
}

func TestAMigrationWhoseLimitWasLiftedHasNotConverged(t *testing.T) {
	r := measured()
	r.Costs.Forced = true
	s, err := bench.SampleOf(r)
	require.NoError(t, err)
	require.False(t, s.Converged)
	require.NotContains(t, s.Values, stats.NotConverged)
}
