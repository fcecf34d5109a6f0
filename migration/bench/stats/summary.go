package stats

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Summary is what repeated looks at one quantity come to.
type Summary struct {
	N                 int
	Median            float64
	Low, High         float64 // the quartiles: half of all are between
	Smallest, Largest float64
}

// Summarize is the summary of numbers; N is 0 where there are none.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{
		N: len(values), Median: quantile(sorted, 0.5), Low: quantile(sorted, 0.25), High: quantile(sorted, 0.75),
		Smallest: sorted[0], Largest: sorted[len(sorted)-1],
	}
}

// quantile is between the two values that it falls between, as near to each as it is.
func quantile(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Spread is half of the distance between the quartiles, as a share of the median; 0 where
// that is 0.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / math.Abs(s.Median)
}

// Text is the median in a unit of MetricInfo, and the spread: "312 ms ±4%".
func (s Summary) Text(unit string) string {
	if s.N == 0 {
		return "–"
	}
	text := Text(s.Median, unit)
	if s.N > 1 {
		text += fmt.Sprintf(" ±%.0f%%", 100*s.Spread())
	}
	return text
}

// Text is a number for people, in a unit of MetricInfo.
func Text(x float64, unit string) string {
	switch unit {
	case "s":
		if math.Abs(x) < 10 {
			return digits(x*1000) + " ms"
		}
		return digits(x) + " s"
	case "bytes", "bytes/s":
		for _, step := range []struct {
			bytes float64
			name  string
		}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}} {
			if math.Abs(x) >= step.bytes || step.bytes == 1 {
				return digits(x/step.bytes) + " " + step.name + strings.TrimPrefix(unit, "bytes")
			}
		}
	}
	return digits(x)
}

// digits are the first three of a number that has no more before its point.
func digits(x float64) string {
	switch abs := math.Abs(x); {
	case abs >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case abs >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case abs == math.Trunc(abs):
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
