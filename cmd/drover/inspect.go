package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/stream"
)

const inspectText = `Reads a migration stream: a file that "migrate file:..." left, also one of the
capability mapped-ram, a save image of libvirt, or what went over a socket, as far
as one channel has it. FILE may be - for the standard input, and may be a block
device. Of a file that has no stream, or a packed one, it prints what it is and the
command that gets at the stream.

It prints what sent the stream, the blocks of RAM with their pages, each section,
and what is wrong with any of it: the devices' state is held against the
description that the stream has of itself.

Exit status: 0 when all is well with the stream, 1 when something isn't, 2 when
there is no migration stream to read.`

func inspectCommand() *command {
	f := &inspectFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:   "inspect [flags] FILE",
			Short: "read a migration stream, and print what is in it and what is wrong with it",
			Long:  inspectText,
		},
		check: f.check, run: f.run,
	}
	c.Flags().BoolVar(&f.json, "json", false, "write one JSON object")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "also write the fields of each device, and the commands")
	c.Flags().Int64Var(&f.offset, "offset", 0, "`bytes` of the file before the stream")
	return c
}

// inspectFlags are what "drover inspect" was told.
type inspectFlags struct {
	json, verbose bool
	offset        int64
}

func (f *inspectFlags) check(words []string) error {
	switch {
	case len(words) != 1:
		return usageError("inspect takes one file: drover inspect FILE")
	case f.offset < 0:
		return usageError("--offset must not be negative")
	}
	return nil
}

func (f *inspectFlags) run(ctx context.Context, words []string, stdin *os.File, stdout, stderr io.Writer) int {
	in, err := inspect(ctx, words[0], stdin, f.offset)
	if ctx.Err() != nil {
		return complain(stderr, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	if err != nil {
		return complain(stderr, errors.New(plain.Text(err.Error())))
	}
	out := bufio.NewWriterSize(plain.NewWriter(stdout), 64<<10)
	status := exitOK
	if f.json {
		in.fields(f.verbose)
		status = writeJSON(out, stderr, in)
	} else {
		in.text(out, f.verbose)
	}
	_ = out.Flush()
	if len(in.Problems) > 0 {
		return max(status, exitFailed)
	}
	return status
}

// inspect reads the stream in a file. The error is why there is none.
func inspect(ctx context.Context, name string, stdin *os.File, offset int64) (*inspection, error) {
	f, err := openInput(ctx, name, stdin, offset)
	if err != nil {
		return nil, err
	}
	defer f.close()
	wrapping, err := f.unwrap()
	if err != nil {
		return nil, err
	}
	found, err := f.read()
	if found == nil || found.Version == 0 { // not even its beginning is that of a stream
		return nil, f.noStream(wrapping, err)
	}
	in := &inspection{File: name, Wrapping: wrapping.Name, Stream: found, Problems: found.Check(), Remarks: found.Remarks()}
	if wrapping.Unfinished {
		in.Problems = append(in.Problems, stream.Problem{Offset: -1, What: "libvirt did not finish this save image"})
	}
	if err != nil {
		broken := &stream.Error{}
		if !errors.As(err, &broken) {
			return nil, err
		}
		in.Problems = append(in.Problems, broken.Problem())
	}
	return in, nil
}
