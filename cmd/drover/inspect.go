package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/stream"
)

const inspectUsage = `usage: drover inspect [flags] FILE

Reads a migration stream: a file that "migrate file:..." left, also one of the
capability mapped-ram, a save image of libvirt, or what went over a socket, as far
as one channel has it. FILE may be - for the standard input, and may be a block
device. Of a file that has no stream, or a packed one, it prints what it is and the
command that gets at the stream.

It prints what sent the stream, the blocks of RAM with their pages, each section,
and what is wrong with any of it: the devices' state is held against the
description that the stream has of itself.

Exit status: 0 when all is well with the stream, 1 when something isn't, 2 when
there is no migration stream to read.

flags:
`

func inspectCommand(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("inspect", inspectUsage, stderr)
	asJSON := set.Bool("json", false, "write one JSON object")
	verbose := set.Bool("v", false, "also write the fields of each device, and the commands")
	offset := set.Int64("offset", 0, "`bytes` of the file before the stream")
	words, err := parseMixed(set, args)
	switch {
	case err != nil:
	case len(words) != 1:
		err = usageError("inspect takes one file: drover inspect FILE")
	case *offset < 0:
		err = usageError("-offset must not be negative")
	}
	if err != nil {
		return usageExit(err, stderr)
	}
	in, err := inspect(ctx, words[0], stdin, *offset)
	if ctx.Err() != nil {
		return complain(stderr, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	if err != nil {
		return complain(stderr, errors.New(plain.Text(err.Error())))
	}
	out := bufio.NewWriterSize(plain.NewWriter(stdout), 64<<10)
	if *asJSON {
		in.fields(*verbose)
		report.JSONLine(out, in)
	} else {
		in.text(out, *verbose)
	}
	_ = out.Flush()
	if len(in.Problems) > 0 {
		return exitFailed
	}
	return exitOK
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
