package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/scenarios"
)

const judgeText = `Judges saved runs again: DIR is a folder that "drover run" left (with --keep it
leaves every one), or the record.json in it. Nothing is run.

What came of a run and the evidence that decides it are printed; all of it stands in
report.html and report.txt, which are written into DIR. They are a function of what is
in the folder alone.

A record proves what it holds, and no more: what its run was to gather and the
record lacks is unknown, and a record that hides something (a key twice, or in
another case, null for a number) is none.

Exit status: 0 when every check passes, 1 when one doesn't, 2 when there is no
record to judge.`

func judgeCommand() *command {
	f := &judgeFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:   "judge [flags] DIR ...",
			Short: "judge a saved run again",
			Long:  judgeText,
		},
		check: func(dirs []string) error {
			if len(dirs) == 0 {
				return usageError("which run? Give the folder that \"drover run\" printed")
			}
			return nil
		},
		run: f.run,
	}
	c.Flags().BoolVar(&f.json, "json", false, "write one JSON object a run")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print each check's verdict")
	c.Flags().BoolVar(&f.noWrite, "no-write", false, "leave DIR as it is: write no report.html and report.txt into it")
	return c
}

// judgeFlags are what "drover judge" was told.
type judgeFlags struct {
	json, verbose, noWrite bool
}

func (f *judgeFlags) run(ctx context.Context, dirs []string, _ *os.File, stdout, stderr io.Writer) int {
	status := exitOK
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return complain(stderr, context.Cause(ctx))
		}
		result, err := judge(dir)
		if err != nil {
			status = complain(stderr, errors.New(plain.Text(err.Error())))
			continue
		}
		if result.Err() != nil {
			status = max(status, exitFailed)
		}
		folder := folderOf(dir)
		if folder != "" && !f.noWrite {
			if err := report.WriteRun(folder, result); err != nil {
				status = complain(stderr, fmt.Errorf("%s; --no-write does without", plain.Text(err.Error())))
			}
		}
		if f.json {
			status = max(status, writeJSON(stdout, stderr, result))
			continue
		}
		report.Summary(stdout, folder, result)
		if f.verbose {
			report.Verdicts(stdout, result.Verdicts)
		}
	}
	return status
}

// folderOf is the folder of a saved run, "" where only its record was given.
func folderOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return ""
}

// judge judges one saved run. A record of a scenario that there is has to end as that does,
// or it would be held to less.
func judge(dir string) (*record.Result, error) {
	saved, err := record.Load(dir)
	if err != nil {
		return nil, err
	}
	result := record.Judged(saved)
	for _, s := range scenarios.All() {
		if s.Name == saved.Scenario && s.Ends != saved.Ends {
			result.Doubt("steps", fmt.Sprintf("%s leaves its guest %s, and the record ends with it %s", s.Name, whereabouts(s.Ends), whereabouts(saved.Ends)))
		}
	}
	return result, nil
}

// whereabouts is where a run leaves its guest, in words.
func whereabouts(e record.Ending) string {
	switch e {
	case record.OnDestination:
		return "on the destination"
	case record.OnSource:
		return "on the source"
	case record.Lost:
		return "on neither side"
	}
	return "nowhere"
}
