package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// Format is the version of the JSON. It grows when a member changes its meaning or goes away.
const Format = 1

// Results are what a bench has measured, and on what.
type Results struct {
	Format       int
	Started      time.Time
	Seconds      float64
	Arch         string
	QEMU         string // versions of both sides
	Accel        string
	Machine      string `json:",omitempty"`
	Args         []string
	CPUs         int
	Rounds       int
	Seed         uint64
	WithinMS     int64 // that a migration had to converge in
	Measurements []Measurement
	Missing      []Missing `json:",omitempty"`
}

// A Missing is a point without a measurement in some round, and why.
type Missing struct {
	Point  Point
	Reason string
	Failed bool // a check failed; else QEMU or the host can't do it
}

// mostOfResults is more than any results have, in bytes.
const mostOfResults = 64 << 20

// Read reads results that were saved. It takes time and memory in proportion to the file.
func Read(path string) (*Results, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("bench: %w; \"drover bench --report DIR\" writes DIR/bench.json", err)
	case !info.Mode().IsRegular() || info.Size() > mostOfResults:
		return nil, fmt.Errorf("bench: %s is no file of at most %d bytes", path, mostOfResults)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &Results{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", path, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("bench: %s has format %d, and this drover reads format %d", path, r.Format, Format)
	}
	return r, nil
}

// JSON is what Read reads.
func (r *Results) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "\t")
	return append(text, '\n'), err
}

// Points are those that were measured, in the order of tables.
func (r *Results) Points() (all []Point) {
	for _, m := range r.Measurements {
		all = append(all, m.Point)
	}
	slices.SortFunc(all, Point.compare)
	return slices.Compact(all)
}

// Of are the measurements of a point.
func (r *Results) Of(p Point) (all []Measurement) {
	for _, m := range r.Measurements {
		if m.Point == p {
			all = append(all, m)
		}
	}
	return all
}

// A Summary is a metric of a point's measurements.
type Summary struct {
	N                int
	Median, Min, Max float64
}

// Summarize takes the metric of those that have it.
func Summarize(all []Measurement, m Metric) Summary {
	values := valuesOf(all, m)
	if len(values) == 0 {
		return Summary{}
	}
	slices.Sort(values)
	return Summary{len(values), median(values), values[0], values[len(values)-1]}
}

// Converged counts the measurements that kept their downtime limit in time.
func Converged(all []Measurement) (n int) {
	for _, m := range all {
		if m.Converged {
			n++
		}
	}
	return n
}

func valuesOf(all []Measurement, m Metric) (values []float64) {
	for _, one := range all {
		if value, ok := m.Of(one); ok && !math.IsNaN(value) && !math.IsInf(value, 0) {
			values = append(values, value)
		}
	}
	return values
}

// median is that of sorted values, of which there is at least one.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
