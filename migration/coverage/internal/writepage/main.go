// Command writepage writes docs/coverage.md: it is given the folder of the recorded schemas,
// and the page's name.
package main

import (
	"fmt"
	"os"

	"github.com/drover-vm/drover/migration/coverage"
	"github.com/drover-vm/drover/migration/scenarios"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: writepage FOLDER-OF-SCHEMAS PAGE.md")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "writepage:", err)
		os.Exit(1)
	}
}

func write(schemas, page string) error {
	fleet, err := coverage.ReadRecorded(os.DirFS(schemas))
	if err != nil {
		return err
	}
	list, err := coverage.Parse(scenarios.Coverage())
	if err != nil {
		return fmt.Errorf("%s: %w", coverage.File, err)
	}
	return os.WriteFile(page, []byte(coverage.Page(list, fleet)), 0o644)
}
