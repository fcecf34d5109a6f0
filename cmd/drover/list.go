package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/drover-vm/drover/migration/scenarios"
)

const listUsage = `usage: drover list [-v] [-json] [-suite version] [pattern ...]
       drover list -watches name [-json]

Lists the scenarios with one sentence each; -v prints their files.

flags:
`

func listCommand(_ context.Context, args []string, _ *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("list", listUsage, stderr)
	verbose := set.Bool("v", false, "print each scenario file")
	suite := set.String("suite", "", suiteUsage)
	asJSON := set.Bool("json", false, "write one JSON object a line")
	watches := set.String("watches", "", watchesUsage)
	patterns, err := parseMixed(set, args)
	if err != nil {
		return usageExit(err, stderr)
	}
	if *watches != "" {
		return listWatches(*watches, patterns, *suite, *asJSON, stdout, stderr)
	}
	var jobs []job
	for _, s := range scenarios.All() {
		jobs = append(jobs, job{scenario: s})
	}
	if jobs, err = choose(jobs, *suite, patterns); err != nil {
		return complain(stderr, err)
	}
	if *asJSON {
		return listJSON(jobs, stdout)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	defer func() { _ = w.Flush() }()
	for _, j := range jobs {
		fmt.Fprintf(w, "%s\t%s\n", j.scenario.Name, j.scenario.Doc)
		if *verbose {
			for line := range strings.Lines(j.scenario.Text) {
				fmt.Fprintf(w, "\t%s", line)
			}
		}
	}
	return exitOK
}

func listJSON(jobs []job, out io.Writer) int {
	encoder := json.NewEncoder(out)
	for _, j := range jobs {
		steps := []string{}
		for _, step := range j.scenario.All() {
			steps = append(steps, step.Name)
		}
		_ = encoder.Encode(map[string]any{"name": j.scenario.Name, "doc": j.scenario.Doc, "steps": steps})
	}
	return exitOK
}
