package stats

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// GoFile is the name of results in Go's benchmark format, in a folder of a bench's reports.
const GoFile = "bench.txt"

// GoFormat is the results in Go's benchmark format, a line a migration, which benchstat
// reads. The axes are keys of the name: Migrate/method=precopy/dirty=200MB/... A slash would
// begin the next key, so rates are written without "/s".
func (r *Results) GoFormat() ([]byte, error) {
	var out bytes.Buffer
	w := benchfmt.NewWriter(&out)
	for _, info := range Metrics() {
		better := "lower"
		if info.Higher {
			better = "higher"
		}
		if _, err := fmt.Fprintf(&out, "Unit %s better=%s\n", info.Metric, better); err != nil {
			return nil, err
		}
	}
	config := func(key, value string) benchfmt.Config {
		return benchfmt.Config{Key: key, Value: []byte(value), File: true}
	}
	common := []benchfmt.Config{
		config("qemu", r.Source.Version), config("qemu-dst", r.Destination.Version), config("arch", r.Arch), config("accel", r.Accel),
	}
	for _, c := range r.Cells {
		for _, s := range c.Samples {
			result := benchfmt.Result{Config: common, Name: benchfmt.Name(c.goName()), Iters: 1}
			for _, info := range Metrics() {
				if x, ok := s.Values[info.Metric]; ok {
					result.Values = append(result.Values, benchfmt.Value{Value: x, Unit: string(info.Metric)})
				} else if info.Metric == NotConverged {
					result.Values = append(result.Values, benchfmt.Value{Value: map[bool]float64{true: 0, false: 1}[s.Converged], Unit: string(NotConverged)})
				}
			}
			if err := w.Write(&result); err != nil {
				return nil, err
			}
		}
	}
	return out.Bytes(), nil
}

// goName is the cell as a benchmark's name.
func (c Cell) goName() string {
	rate := func(text string) string { return strings.TrimSuffix(text, "/s") }
	return fmt.Sprintf("Migrate/method=%s/dirty=%s/bandwidth=%s/memory=%s/downtime=%dms", c.Method, rate(c.DirtyRate.String()), rate(BandwidthText(c.Bandwidth)), MemoryText(c.MemoryMiB), c.DowntimeMS)
}
