package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/report"
)

const reportText = `merge joins what "drover run --report FOLDER" left, of several runs or machines, and
writes index.html, results.json and junit.xml into DIR. The pages of the runs stay
where they are, and are linked to. diff says what changed from BEFORE to AFTER:
outcomes, and numbers that differ by more than half and by more than noise.

Exit status: 0 when no outcome of diff is worse, 1 when one is, 2 when there is
nothing to read or to compare.`

// reportFlags are what "drover report" was told.
type reportFlags struct {
	dir string
}

func reportCommand() *command {
	f := &reportFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:   "report merge --report DIR FOLDER ... | diff BEFORE AFTER",
			Short: "join what several runs reported, or say what changed between two",
			Long:  reportText,
		},
		check: f.check, run: f.run,
	}
	c.Flags().StringVar(&f.dir, "report", "", "`folder` that merge writes into")
	return c
}

func (f *reportFlags) check(words []string) error {
	switch {
	case len(words) == 0 || words[0] != "merge" && words[0] != "diff":
		return usageError("what of reports? It is merge or diff")
	case words[0] == "merge" && (f.dir == "" || len(words) < 2):
		return usageError("merge wants --report DIR, and the folders to join")
	case words[0] == "diff" && (f.dir != "" || len(words) != 3):
		return usageError("diff wants two folders")
	}
	return nil
}

func (f *reportFlags) run(_ context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
	all := make([]*report.Results, 0, len(words)-1)
	for _, word := range words[1:] {
		results, err := report.ReadResults(word)
		if err != nil {
			return complain(stderr, errors.New(plain.Text(err.Error())))
		}
		all = append(all, results)
	}
	if words[0] == "diff" {
		return diffReports(all[0], all[1], stdout, stderr)
	}
	return mergeReports(f.dir, words[1:], all, stderr)
}

func mergeReports(dir string, folders []string, all []*report.Results, stderr io.Writer) int {
	const private = 0o700
	if err := os.MkdirAll(dir, private); err != nil {
		return complain(stderr, fmt.Errorf("--report: %w; name a folder that can be made", err))
	}
	joined := report.Results{Format: report.ResultsFormat}
	for i, results := range all {
		from := folders[i]
		if folderOf(from) == "" {
			from = filepath.Dir(from)
		}
		joined.Join(results, relative(dir, from))
	}
	if err := joined.WriteSite(dir); err != nil {
		return complain(stderr, errors.New(plain.Text(err.Error())))
	}
	return exitOK
}

func diffReports(before, after *report.Results, stdout, stderr io.Writer) int {
	changes, common, err := report.Diff(before, after)
	if err != nil {
		return complain(stderr, err)
	}
	status := exitOK
	for _, c := range changes {
		if c.Worse {
			status = exitFailed
		}
		fmt.Fprintf(stdout, "%s: %s\n", plain.Text(c.Run), plain.Text(c.Text))
	}
	if len(changes) == 0 {
		fmt.Fprintf(stdout, "nothing changed in %d runs\n", common)
	}
	return status
}

// relative is how a folder is reached from another as in a link, "" where it isn't.
func relative(from, to string) string {
	a, errA := filepath.Abs(from)
	b, errB := filepath.Abs(to)
	if errA != nil || errB != nil {
		return ""
	}
	path, err := filepath.Rel(a, b)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(path)
}
