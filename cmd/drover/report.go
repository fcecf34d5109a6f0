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

func reportCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:   "report COMMAND [arguments]",
			Short: "join what several runs reported, or say what changed between two",
			Long:  `Works with what "drover run --report FOLDER" left.`,
		},
		below: []*command{reportMergeCommand(), reportDiffCommand()},
	}
}

func reportMergeCommand() *command {
	var dir string
	c := &command{
		Command: &cobra.Command{
			Use:   "merge --report DIR FOLDER ...",
			Short: "join the reports of several runs or machines",
			Long: `Joins what "drover run --report FOLDER" left, of several runs or machines, and
writes index.html, results.json and junit.xml into DIR. The pages of the runs stay
where they are, and are linked to.`,
		},
		check: func(folders []string) error {
			if dir == "" || len(folders) == 0 {
				return usageError("merge wants --report DIR, and the folders to join")
			}
			return nil
		},
		run: func(_ context.Context, folders []string, _ *os.File, _, stderr io.Writer) int {
			all, err := readReports(folders)
			if err != nil {
				return complain(stderr, err)
			}
			return mergeReports(dir, folders, all, stderr)
		},
	}
	c.Flags().StringVar(&dir, "report", "", "`folder` that is written into")
	return c
}

func reportDiffCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:   "diff BEFORE AFTER",
			Short: "say what changed from one report to another",
			Long: `Prints what changed from BEFORE to AFTER, two folders that "drover run --report"
left: outcomes, and numbers that differ by more than half and by more than noise.

Exit status: 0 when no outcome is worse, 1 when one is, 2 when there is nothing to
compare.`,
		},
		check: func(folders []string) error {
			if len(folders) != 2 {
				return usageError("diff wants two folders")
			}
			return nil
		},
		run: func(_ context.Context, folders []string, _ *os.File, stdout, stderr io.Writer) int {
			all, err := readReports(folders)
			if err != nil {
				return complain(stderr, err)
			}
			return diffReports(all[0], all[1], stdout, stderr)
		},
	}
}

func readReports(folders []string) (all []*report.Results, err error) {
	for _, folder := range folders {
		results, err := report.ReadResults(folder)
		if err != nil {
			return nil, errors.New(plain.Text(err.Error()))
		}
		all = append(all, results)
	}
	return all, nil
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
