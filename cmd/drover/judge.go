package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

const judgeUsage = `usage: drover judge [-json] DIR ...

Judges saved runs again: DIR is a folder that "drover run" left (with -keep it
leaves every one), or the record.json in it. Nothing is run.

Exit status: 0 when every check passes, 1 when one doesn't, 2 when there is no
record to judge.

flags:
`

func judgeCommand(_ context.Context, args []string, _ *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("judge", judgeUsage, stderr)
	asJSON := set.Bool("json", false, "write one JSON object a run")
	dirs, err := parseMixed(set, args)
	if err == nil && len(dirs) == 0 {
		err = usageError("which run? Give the folder that \"drover run\" printed")
	}
	if err != nil {
		return usageExit(err, stderr)
	}
	status := exitOK
	for _, dir := range dirs {
		saved, err := record.Load(dir)
		if err != nil {
			return complain(stderr, err)
		}
		result := record.Judged(saved)
		if result.Err() != nil {
			status = exitFailed
		}
		if *asJSON {
			report.JSONLine(stdout, result)
			continue
		}
		fmt.Fprintf(stdout, "%s  %s\n", report.Word(result.Outcome, false), result.Name())
		report.Verdicts(stdout, result.Verdicts)
	}
	return status
}
