package report_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

func outlines(all ...report.Outline) *report.Results {
	r := &report.Results{Format: report.ResultsFormat, Started: time.Unix(1e9, 0)}
	for _, o := range all {
		o.Arch, o.QEMU = "x86_64", "10.0.13"
		r.Add(o)
	}
	return r
}

func TestDiffSaysWhatChangedAndNothingOfNoise(t *testing.T) {
	before := outlines(
		report.Outline{Scenario: "breaks", Outcome: record.Pass},
		report.Outline{Scenario: "heals", Outcome: record.Fail, Reason: "a page was lost"},
		report.Outline{Scenario: "other", Outcome: record.Fail, Reason: "a page was lost"},
		report.Outline{Scenario: "slower", Outcome: record.Pass, Seconds: 2, DowntimeMS: 30},
		report.Outline{Scenario: "noise", Outcome: record.Pass, Seconds: 1.2, DowntimeMS: 30, Passes: 3, Bytes: 300e6},
		report.Outline{Scenario: "gone", Outcome: record.Pass},
	)
	after := outlines(
		report.Outline{Scenario: "breaks", Outcome: record.Fail, Reason: "every 50th page of RAM is lost"},
		report.Outline{Scenario: "heals", Outcome: record.Pass},
		report.Outline{Scenario: "other", Outcome: record.Fail, Reason: "it hangs"},
		report.Outline{Scenario: "slower", Outcome: record.Pass, Seconds: 6, DowntimeMS: 900},
		report.Outline{Scenario: "noise", Outcome: record.Pass, Seconds: 2, DowntimeMS: 90, Passes: 5, Bytes: 340e6},
		report.Outline{Scenario: "new", Outcome: record.Pass},
	)
	changes, common, err := report.Diff(before, after)
	require.NoError(t, err)
	require.Equal(t, 5, common)
	require.Equal(t, []report.Change{
		{"x86_64/breaks (10.0.13)", "pass -> fail: every 50th page of RAM is lost", true},
		{"x86_64/heals (10.0.13)", "fail -> pass: a page was lost", false},
		{"x86_64/other (10.0.13)", "fails otherwise: it hangs", false},
		{"x86_64/slower (10.0.13)", "takes 2 s -> 6 s", false},
		{"x86_64/slower (10.0.13)", "downtime 30 ms -> 900 ms", false},
		{"x86_64/new (10.0.13)", "is new: pass", false},
		{"x86_64/gone (10.0.13)", "was not run: pass before", false},
	}, changes)

	_, _, err = report.Diff(before, outlines())
	require.ErrorIs(t, err, report.ErrNothingCommon)
}

func TestResultsThatAreNoneAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, report.ResultsFile)
	for _, c := range []struct{ text, wrong string }{
		{`{"Format": 2}`, "format 2"},
		{`[]`, "cannot unmarshal"},
		{`{"Format": 1, "Runs": [{"Outcome": "well"}]}`, `run 1 has the outcome "well"`},
	} {
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		_, err := report.ReadResults(dir)
		require.ErrorContains(t, err, c.wrong)
	}
	_, err := report.ReadResults("/dev/zero")
	require.ErrorContains(t, err, "no regular file")
	_, err = report.ReadResults(t.TempDir())
	require.ErrorContains(t, err, "drover run --report")
}

func TestJoinedRunsKeepTheirPages(t *testing.T) {
	joined := outlines()
	joined.Join(outlines(report.Outline{Scenario: "a", Outcome: record.Pass, Page: "./runs/a/report.html"}), "../one")
	joined.Join(outlines(report.Outline{Scenario: "a", Outcome: record.Fail, Page: "./runs/a/report.html"}), "../two")
	require.Equal(t, []string{"./../one/runs/a/report.html", "./../two/runs/a/report.html"}, []string{joined.Runs[0].Page, joined.Runs[1].Page})
	require.Equal(t, []int{1, 1}, []int{joined.Passed, joined.Failed})
}
