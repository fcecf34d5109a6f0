package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// What a single run's numbers may differ by without a cause: one run is no statistics.
const (
	noiseShare    = 0.5  // of the smaller one
	noiseSeconds  = 1    // s, of a whole run
	noiseDowntime = 100  // ms
	noiseBytes    = 10e6 // bytes
	noisePasses   = 3
)

// ReadResults reads results.json, or that of a folder with one. It takes time and memory in
// proportion to the file, of which it reads at most 64 MiB.
func ReadResults(path string) (*Results, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, ResultsFile)
	}
	const most = 64 << 20
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("report: %w; \"drover run --report DIR\" writes one", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("report: %s is no regular file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("report: %s has %d bytes, and results have at most %d", path, info.Size(), most)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	if r.Format != ResultsFormat {
		return nil, fmt.Errorf("report: %s has format %d, and this drover reads format %d", path, r.Format, ResultsFormat)
	}
	for i, o := range r.Runs {
		if !slices.Contains([]record.Outcome{record.Pass, record.Fail, record.Unknown, record.Skip}, o.Outcome) {
			return nil, fmt.Errorf("report: %s: run %d has the outcome %q, which there is not", path, i+1, o.Outcome)
		}
	}
	return &r, nil
}

// Join adds the runs of other results, whose pages lie in the folder that prefix leads to
// from ours; "" where they lie beside ours.
func (r *Results) Join(other *Results, prefix string) {
	if r.Started.IsZero() || !other.Started.IsZero() && other.Started.Before(r.Started) {
		r.Started = other.Started
	}
	r.Seconds += other.Seconds
	for _, o := range other.Runs {
		if o.Page != "" && prefix != "" {
			o.Page = "./" + strings.TrimPrefix(prefix, "./") + "/" + strings.TrimPrefix(o.Page, "./")
		}
		r.Add(o)
	}
}

// A Change is what differs between two runs of a scenario.
type Change struct {
	Run   string // target, scenario and QEMU
	Text  string
	Worse bool // its outcome is worse
}

// ErrNothingCommon says that two results have no run in common, so that nothing can be
// compared.
var ErrNothingCommon = errors.New("report: the two have no run in common: no scenario was run on the same QEMU in both")

// Diff says what changed from one to the other: outcomes first, then numbers that differ by
// more than half and by more than noise; then what only one of them has. The number is that
// of runs in common.
func Diff(before, after *Results) (changes []Change, common int, err error) {
	before.settle()
	after.settle()
	old := map[string]Outline{}
	for _, o := range before.Runs {
		old[o.key()] = o
	}
	var outcomes, numbers, lone []Change
	for _, now := range after.Runs {
		key := now.key()
		was, there := old[key]
		if !there {
			lone = append(lone, Change{Run: key, Text: "is new: " + string(now.Outcome)})
			continue
		}
		common++
		delete(old, key)
		if was.Outcome != now.Outcome {
			text := fmt.Sprintf("%s -> %s", was.Outcome, now.Outcome)
			if reason := cmp.Or(now.Reason, was.Reason); reason != "" {
				text += ": " + reason
			}
			outcomes = append(outcomes, Change{Run: key, Text: text, Worse: badness(now.Outcome) > badness(was.Outcome)})
			continue
		}
		if now.Outcome == record.Fail && was.Reason != now.Reason {
			outcomes = append(outcomes, Change{Run: key, Text: "fails otherwise: " + now.Reason})
		}
		numbers = append(numbers, numbersOf(key, was, now)...)
	}
	for _, o := range before.Runs {
		if _, left := old[o.key()]; left {
			lone = append(lone, Change{Run: o.key(), Text: "was not run: " + string(o.Outcome) + " before"})
			delete(old, o.key())
		}
	}
	if common == 0 {
		return nil, 0, ErrNothingCommon
	}
	return slices.Concat(outcomes, numbers, lone), common, nil
}

func (o Outline) key() string {
	return strings.TrimSuffix(fmt.Sprintf("%s/%s (%s)", o.Arch, o.Scenario, o.QEMU), " ()")
}

func badness(o record.Outcome) int {
	return slices.Index([]record.Outcome{record.Pass, record.Skip, record.Unknown, record.Fail}, o)
}

func numbersOf(key string, was, now Outline) (changes []Change) {
	for _, n := range []struct {
		what, unit string
		a, b, most float64
	}{
		{"takes", "s", was.Seconds, now.Seconds, noiseSeconds},
		{"downtime", "ms", float64(was.DowntimeMS), float64(now.DowntimeMS), noiseDowntime},
		{"sends", "bytes", float64(was.Bytes), float64(now.Bytes), noiseBytes},
		{"passes", "", float64(was.Passes), float64(now.Passes), noisePasses},
	} {
		if off := math.Abs(n.a - n.b); off > n.most && off > noiseShare*min(n.a, n.b) {
			changes = append(changes, Change{Run: key, Text: fmt.Sprintf("%s %s -> %s", n.what, amount(n.a, n.unit), strings.TrimSpace(amount(n.b, n.unit)))})
		}
	}
	return changes
}
