package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/report"
)

const benchCompareText = `Compares two files or folders that "drover bench" left, as bench --baseline does.

Exit status: 0 when nothing is worse, 1 when something is, 2 when there is nothing to
compare.`

func benchCompareCommand() *command {
	margin := 0.0
	c := &command{
		Command: &cobra.Command{
			Use:   "compare BASELINE FILE",
			Short: "say what is worse, and not by chance, in one bench than in another",
			Long:  benchCompareText,
		},
		check: func(words []string) error {
			if len(words) != 2 {
				return usageError("compare wants two files or folders: the baseline, and what is held against it")
			}
			return checkMargin(margin)
		},
		run: func(_ context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
			before, err := stats.Load(words[0])
			if err != nil {
				return complain(stderr, err)
			}
			now, err := stats.Load(words[1])
			if err != nil {
				return complain(stderr, err)
			}
			return printComparison(stats.Compare(before, now, margin), words[0], false, stdout, stderr)
		},
	}
	marginFlag(c.Flags(), &margin)
	return c
}

// printComparison prints how results compare with a baseline, on the output for errors where
// the other has JSON, and returns the exit status.
func printComparison(c stats.Comparison, baseline string, json bool, stdout, stderr io.Writer) int {
	out := stdout
	if json {
		out = stderr
	}
	report.ComparisonText(out, c, baseline)
	switch {
	case len(c.Differences) == 0:
		return exitCannotRun
	case len(c.Worse()) > 0:
		return exitFailed
	case c.TooFew != "":
		return exitCannotRun
	}
	return exitOK
}

// lastBench is the file in which the results of the last bench are kept.
const lastBench = "last-bench.json"

// keepLastBench keeps results for advise. A bench doesn't depend on it.
func keepLastBench(r *stats.Results) {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return
	}
	text, err := r.JSON()
	if err != nil || owned.MkdirAll(folder, 0o755) != nil {
		return
	}
	_ = owned.WriteFile(filepath.Join(folder, lastBench), text)
}

// readLastBench is what keepLastBench has kept.
func readLastBench() (*stats.Results, error) {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return nil, err
	}
	const longest = 64 << 20
	text, err := owned.ReadFile(filepath.Join(folder, lastBench), longest)
	if err != nil {
		return nil, fmt.Errorf("no bench has been measured here (%w): run drover bench first, or name a file that one left", err)
	}
	return stats.Parse(text)
}

// makeFolder makes the folder of a flag, where it is set.
func makeFolder(flag, dir string) error {
	const private = 0o700
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, private); err != nil {
		return fmt.Errorf("--%s: %w; name a folder that can be made", flag, err)
	}
	return nil
}
