package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
	"github.com/drover-vm/drover/migration/record"
)

// durations are how long scenarios took when each was last run here, which says how long a
// run may still take. They are kept in drover's cache folder; nothing else depends on them,
// and what can't be read or written is left out. It is not safe for concurrent use.
type durations struct {
	path    string // "" where they can't be kept
	seconds map[string]float64
}

// How much is kept.
const (
	mostDurations    = 4000
	longestDurations = 1 << 20 // bytes
)

func openDurations() *durations {
	d := &durations{seconds: map[string]float64{}}
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return d
	}
	d.path = filepath.Join(folder, "durations.json")
	text, err := owned.ReadFile(d.path, longestDurations)
	if err != nil || json.Unmarshal(text, &d.seconds) != nil || d.seconds == nil {
		d.seconds = map[string]float64{}
	}
	return d
}

func (d *durations) add(name string, r *record.Result) {
	if r.Outcome != record.Skip && r.Seconds > 0 {
		d.seconds[name] = r.Seconds
	}
}

func (d *durations) of(name string) (seconds float64, known bool) {
	seconds, known = d.seconds[name]
	const longest = 24 * 3600
	return seconds, known && seconds >= 0 && seconds < longest
}

func (d *durations) save() {
	if d.path == "" {
		return
	}
	names := slices.Sorted(maps.Keys(d.seconds))
	for _, name := range names[min(len(names), mostDurations):] {
		delete(d.seconds, name)
	}
	if text, err := json.Marshal(d.seconds); err == nil && owned.MkdirAll(filepath.Dir(d.path), 0o755) == nil {
		_ = owned.WriteFile(d.path, append(text, '\n'))
	}
}

// An outlook is how far a run of many is: how many of them are done, and how long the others
// may take. The zero value knows nothing. It is not safe for concurrent use.
type outlook struct {
	total, done int
	left        func() (time.Duration, bool) // how long the others may take; nil where nobody knows
	gone        func(name string)            // one is done; may be nil
}

// outlookOf is the outlook of a run, some at a time, by the times of earlier runs. What was
// never run takes as long as what was, on average. Where less than half is known, nothing is
// said of the time.
func outlookOf(names []string, parallel int, times *durations) outlook {
	cost := map[string]float64{} // as known when the run begins
	known, sum := 0, 0.0
	for _, name := range names {
		if seconds, ok := times.of(name); ok {
			cost[name] = seconds
			known, sum = known+1, sum+seconds
		}
	}
	if 2*known < len(names) || known == 0 {
		return outlook{total: len(names)}
	}
	usual := sum / float64(known)
	left := usual * float64(len(names)-known)
	of := func(name string) float64 {
		if seconds, ok := cost[name]; ok {
			return seconds
		}
		return usual
	}
	left += sum
	return outlook{
		total: len(names),
		gone:  func(name string) { left -= of(name) },
		left: func() (time.Duration, bool) {
			return time.Duration(max(0, left) / float64(max(1, parallel)) * float64(time.Second)), true
		},
	}
}

// next notes that one is done.
func (o *outlook) next(name string) {
	o.done++
	if o.gone != nil {
		o.gone(name)
	}
}
