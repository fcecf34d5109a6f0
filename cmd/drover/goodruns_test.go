package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

func TestLastGoodRunIsPutBesideWhatALaterOneLeaves(t *testing.T) {
	g := goodRuns{filepath.Join(t.TempDir(), "good")}
	r := &record.Result{Scenario: "a", Arch: "x86_64", Outcome: record.Pass, Record: &record.Record{Seconds: 3, Source: &record.SideFacts{Version: "10.0.13"}}}
	g.note(r)
	r.Outcome, r.Dir, r.Record.Seconds = record.Fail, t.TempDir(), 9
	g.note(r)
	text, err := os.ReadFile(filepath.Join(r.Dir, report.GoodFile))
	require.NoError(t, err)
	require.Contains(t, string(text), `"Seconds":3`)

	other := &record.Result{Scenario: "b", Arch: "x86_64", Outcome: record.Fail, Dir: t.TempDir(), Record: r.Record}
	g.note(other)
	require.NoFileExists(t, filepath.Join(other.Dir, report.GoodFile), "no such scenario has passed")
	goodRuns{}.note(other)
}

func TestOldestGoodRunsGoWhereThereAreTooMany(t *testing.T) {
	g := goodRuns{t.TempDir()}
	for i := range 50 {
		path := filepath.Join(g.folder, fmt.Sprintf("%02d.json", i))
		require.NoError(t, os.WriteFile(path, make([]byte, mostGoodBytes/40), 0o600))
		at := time.Unix(int64(1000+i), 0)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	g.prune()
	left, err := os.ReadDir(g.folder)
	require.NoError(t, err)
	require.Len(t, left, 40)
	require.Equal(t, "10.json", left[0].Name())
	goodRuns{filepath.Join(g.folder, "none")}.prune()
}
