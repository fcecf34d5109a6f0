package main

import (
	"context"
	"io"
	"os"
)

func doctorCommand(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	return complain(stderr, usageError("drover doctor is not there yet"))
}
