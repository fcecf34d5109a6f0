package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

const vetUsage = `usage: drover vet FILE ...

Checks scenario files without running them. FILE may also be a folder of *.scenario
files, or - for standard input. Each error names the file, the line, and what would
have been right.

Exit status: 0 when all can be run, 1 when something is wrong with one, 2 when one
could not be read.
`

func vetCommand(_ context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("vet", vetUsage, stderr)
	files, err := parseMixed(set, args)
	if err == nil && len(files) == 0 {
		err = usageError("drover vet wants a scenario file")
	}
	if err != nil {
		return usageExit(err, stderr)
	}
	status := exitOK
	for _, file := range files {
		found, err := readArgument(file, stdin)
		switch {
		case err != nil && len(found) == 0:
			return complain(stderr, err)
		case err != nil:
			fmt.Fprintln(stderr, err)
			status = exitFailed
		}
	}
	return status
}
