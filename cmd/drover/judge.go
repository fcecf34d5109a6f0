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
	return c
}

// judgeFlags are what "drover judge" was told.
type judgeFlags struct {
	json bool
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
		if f.json {
			report.JSONLine(stdout, result)
			continue
		}
		fmt.Fprintf(stdout, "%s  %s\n", report.Word(result.Outcome, false), plain.Text(result.Name()))
		report.Verdicts(stdout, result.Verdicts)
	}
	return status
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
