package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/plain"
)

const vetText = `Checks scenario files without running them. FILE may also be a folder of *.scenario
files, or - for standard input. Each error names the file, the line, and what would
have been right; of one that can be run it prints how many steps it has.

Exit status: 0 when all can be run, 1 when something is wrong with one, 2 when one
could not be read.`

func vetCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:               "vet FILE ...",
			Short:             "check scenario files without running them",
			Long:              vetText,
			ValidArgsFunction: scenarioFiles,
		},
		check: func(files []string) error {
			if len(files) == 0 {
				return usageError("drover vet wants a scenario file")
			}
			return nil
		},
		run: vet,
	}
}

func vet(_ context.Context, files []string, stdin *os.File, stdout, stderr io.Writer) int {
	status := exitOK
	for _, file := range files {
		found, err := readArgument(file, stdin)
		switch {
		case err != nil && len(found) == 0:
			return complain(stderr, err)
		case err != nil:
			fmt.Fprintln(stderr, err)
			status = exitFailed
		default:
			for _, s := range found {
				fmt.Fprintf(stdout, "%s: ok, %d steps\n", plain.Text(s.Name), len(s.Steps))
			}
		}
	}
	return status
}
