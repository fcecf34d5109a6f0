package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
)

// SampleOf takes a sample from the record of a cell's run. Its error says how the run ended
// where the guest did not arrive, or nobody measured it.
func SampleOf(r *record.Record) (stats.Sample, error) {
	if r.Error != "" {
		return stats.Sample{}, errors.New(r.Error)
	}
	if r.Migration == nil || r.Costs == nil || r.Source == nil || r.Destination == nil {
		return stats.Sample{}, errors.New("the record has no migration that is completed, with its costs")
	}
	s := stats.Sample{Converged: !r.Costs.Forced, Values: map[stats.Metric]float64{}}
	put := func(m stats.Metric, x float64) {
		if x >= 0 && !math.IsInf(x, 0) {
			s.Values[m] = x
		}
	}
	for _, m := range r.Measures {
		if name, ours := strings.CutPrefix(m.What, prefix); ours {
			put(stats.Metric(name), m.Value)
		}
	}
	c := r.Costs
	put(stats.Total, c.Seconds)
	for _, side := range []struct {
		cost           record.SideCost
		own, vcpu, rss stats.Metric
	}{
		{c.Source, stats.CPUSource, stats.VCPUSource, stats.RSSSource},
		{c.Destination, stats.CPUDestination, stats.VCPUDestination, stats.RSSDestination},
	} {
		if side.cost.PeakRSS > 0 { // else it could not be read
			put(side.own, side.cost.OtherSeconds)
			put(side.vcpu, side.cost.VCPUSeconds)
			put(side.rss, float64(side.cost.PeakRSS))
		}
	}
	stop, resume := moments(r)
	if stop.IsZero() || resume.IsZero() {
		return stats.Sample{}, fmt.Errorf("the record has no STOP of the source with a RESUME of the destination")
	}
	put(stats.Downtime, resume.Sub(stop).Seconds())
	put(stats.DowntimeReported, float64(r.Migration.DowntimeMS)/1000)
	put(stats.Sent, float64(r.Migration.Bytes))
	put(stats.Passes, float64(r.Migration.Passes))
	if total := s.Values[stats.Total]; total > 0 {
		put(stats.Throughput, float64(r.Migration.Bytes)/total)
	}
	return s, nil
}

// moments are when the source stopped its guest and the destination ran it; zero where the
// record does not tell.
func moments(r *record.Record) (stop, resume time.Time) {
	return eventOf(r.Source, "STOP"), eventOf(r.Destination, "RESUME")
}

func eventOf(s *record.SideFacts, name string) time.Time {
	if s != nil {
		for _, e := range s.Events {
			if e.Name == name && !e.Time.Before(s.Began) {
				return e.Time
			}
		}
	}
	return time.Time{}
}

// postcopied says whether the guest ran on the destination before its RAM was there.
func postcopied(r *record.Record) bool {
	for _, e := range r.Source.Events {
		var data struct{ Status string }
		if e.Name == "MIGRATION" && json.Unmarshal(e.Data, &data) == nil && data.Status == "postcopy-active" {
			return true
		}
	}
	return false
}
