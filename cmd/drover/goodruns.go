package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// goodRuns keep what good runs were like, the last of each scenario on each pair of QEMUs, in
// files of drover's cache folder. Nothing depends on them but a comparison in reports: what
// can't be read or written is left out. Its methods may be called at once.
type goodRuns struct{ folder string } // "" where there is none

// How much is kept, of the runs that were kept last. Each file has report.MostOfGood at most.
const (
	mostGoodRuns  = 1000
	mostGoodBytes = 4 << 20
)

func openGoodRuns() goodRuns {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return goodRuns{}
	}
	return goodRuns{filepath.Join(folder, "good-runs")}
}

// note puts the last good run beside what a run has left, and keeps a run that passed.
func (g goodRuns) note(r *record.Result) {
	if g.folder == "" || r.Record == nil || r.Record.Source == nil || r.Outcome == record.Skip {
		return
	}
	path := filepath.Join(g.folder, report.GoodName(r))
	if r.Dir != "" {
		if text, err := owned.ReadFile(path, report.MostOfGood); err == nil {
			_ = owned.WriteFile(filepath.Join(r.Dir, report.GoodFile), text)
		}
	}
	if r.Outcome != record.Pass {
		return
	}
	text, err := json.Marshal(report.GoodOf(r))
	if err == nil && len(text) <= report.MostOfGood && owned.MkdirAll(g.folder, 0o700) == nil {
		_ = owned.WriteFile(path, text)
	}
}

// prune removes the oldest files, until the others are within the bounds.
func (g goodRuns) prune() {
	entries, err := os.ReadDir(g.folder)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	bytes := int64(0)
	for i, file := range files {
		if bytes += file.Size(); i >= mostGoodRuns || bytes > mostGoodBytes {
			_ = os.Remove(filepath.Join(g.folder, file.Name()))
		}
	}
}
