package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/migration/scenarios"
)

func listCommand() *command {
	f := &listFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "list [flags] [pattern ...]",
			Short:             "list the scenarios",
			Long:              "Lists the scenarios with one sentence each; -v prints their files.",
			ValidArgsFunction: scenarioNames,
		},
		check: func(patterns []string) error {
			if f.watches != "" && (len(patterns) > 0 || f.suite != "") {
				return usageError("--watches takes no patterns and no suite")
			}
			return nil
		},
		run: f.run,
	}
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print each scenario file")
	c.Flags().StringVar(&f.watches, "watches", "", watchesUsage)
	c.Flags().StringVar(&f.suite, "suite", "", suiteUsage)
	c.Flags().BoolVar(&f.json, "json", false, "write one JSON object a line")
	completeFlag(c.Command, "suite", suites...)
	return c
}

// listFlags are what "drover list" was told.
type listFlags struct {
	suite, watches string
	verbose, json  bool
}

func (f *listFlags) run(_ context.Context, patterns []string, _ *os.File, stdout, stderr io.Writer) int {
	if f.watches != "" {
		return listWatches(f.watches, f.json, stdout, stderr)
	}
	var jobs []job
	for _, s := range scenarios.All() {
		jobs = append(jobs, job{scenario: s})
	}
	jobs, err := choose(jobs, f.suite, patterns)
	if err != nil {
		return complain(stderr, err)
	}
	if f.json {
		return listJSON(jobs, stdout)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	defer func() { _ = w.Flush() }()
	for _, j := range jobs {
		fmt.Fprintf(w, "%s\t%s\n", j.scenario.Name, j.scenario.Doc)
		if f.verbose {
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
