package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
	"github.com/drover-vm/drover/migration/record"
)

// A lastRun is how the scenarios that are run here ended when each was last run. It knows
// the ones that failed. It is not safe for concurrent use.
type lastRun struct {
	path string
	now  map[string]bool // name -> failed, in this run
}

// savedRun is the file.
type savedRun struct {
	Failed []string // names, with their target
}

// How much is kept: a file that somebody else has filled is no reason to fail, and
// scenario files that are gone are no reason to grow.
const (
	mostFailed      = 1000    // names
	longestSavedRun = 1 << 20 // bytes
)

// openLastRun finds the file. It need not be there.
func openLastRun() (*lastRun, error) {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return nil, err
	}
	return &lastRun{path: filepath.Join(folder, "last-run.json"), now: map[string]bool{}}, nil
}

// failed are the names of the scenarios that failed. None have where nothing was kept.
func (l *lastRun) failed() (map[string]bool, error) {
	failed := map[string]bool{}
	text, err := owned.ReadFile(l.path, longestSavedRun)
	if errors.Is(err, fs.ErrNotExist) {
		return failed, nil
	}
	if err != nil {
		return failed, err
	}
	var saved savedRun
	if err := json.Unmarshal(text, &saved); err != nil {
		return failed, fmt.Errorf("%s: %w; delete it", l.path, err)
	}
	for _, name := range saved.Failed {
		failed[name] = true
	}
	return failed, nil
}

// add takes a result. A scenario that was skipped stays what it was; one that failed once
// in this run has failed.
func (l *lastRun) add(name string, r *record.Result) {
	if r.Outcome != record.Skip {
		l.now[name] = l.now[name] || r.Outcome != record.Pass
	}
}

// save keeps what this run has shown, beside what earlier ones have about others. Nothing is
// written where nothing has changed. Of two runs that end at the same time one may be
// forgotten: it only decides what is run first.
func (l *lastRun) save() error {
	failed, err := l.failed()
	before := maps.Clone(failed)
	var names []string
	for name, now := range l.now {
		delete(failed, name)
		if now {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = append(names, slices.Sorted(maps.Keys(failed))...)
	names = names[:min(len(names), mostFailed)]
	same := len(names) == len(before) && !slices.ContainsFunc(names, func(name string) bool { return !before[name] })
	if err == nil && same {
		return nil
	}
	text, err := json.Marshal(savedRun{names})
	if err != nil {
		return err
	}
	if err := owned.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	return owned.WriteFile(l.path, append(text, '\n'))
}
