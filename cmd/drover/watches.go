package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/drover-vm/drover/migration/coverage"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/scenarios"
)

const watchesUsage = "print who would notice if QEMU got that capability, parameter, argument, run state, status, event or member of query-migrate's reply wrong: the last words of its `name` in docs/coverage.md will do"

// listWatches prints which scenarios and checks watch what has that name.
func listWatches(name string, asJSON bool, stdout, stderr io.Writer) int {
	list, err := coverage.Parse(scenarios.Coverage())
	if err != nil {
		return complain(stderr, fmt.Errorf("%s: %w", coverage.File, err))
	}
	found := list.About(name)
	if len(found) == 0 {
		var names []string
		for _, e := range list.Entries {
			names = append(names, e.Name)
		}
		return complain(stderr, fmt.Errorf("%w %s in what QEMU offers for migration%s", errNothing, quoted(name), didYouMean(name, names)))
	}
	if asJSON {
		return watchesJSON(found, stdout)
	}
	docs := map[string]string{}
	for _, s := range scenarios.All() {
		docs[s.Name] = s.Doc
	}
	for _, c := range record.Checks() {
		docs["check "+c.Name] = c.Doc
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, e := range found {
		fmt.Fprintf(w, "%s\n", e.Item)
		for _, watcher := range e.Scenarios {
			fmt.Fprintf(w, "  %s\t%s\n", watcher, docs[watcher])
		}
		for _, check := range e.Checks {
			fmt.Fprintf(w, "  check %q\t%s\n", check, docs["check "+check])
		}
		if e.Impossible != "" {
			fmt.Fprintf(w, "  nothing can: %s\n", e.Impossible)
		}
		if e.Gap != "" {
			fmt.Fprintf(w, "  nobody yet: %s\n", e.Gap)
		}
	}
	return exitOf(w.Flush(), stderr)
}

func watchesJSON(found []coverage.Entry, out io.Writer) int {
	encoder := json.NewEncoder(out)
	for _, e := range found {
		line := map[string]any{"kind": e.Kind, "name": e.Name}
		if len(e.Scenarios) > 0 {
			line["scenarios"] = e.Scenarios
		}
		if len(e.Checks) > 0 {
			line["checks"] = e.Checks
		}
		if e.Impossible != "" {
			line["impossible"] = e.Impossible
		}
		if e.Gap != "" {
			line["gap"] = e.Gap
		}
		_ = encoder.Encode(line)
	}
	return exitOK
}
