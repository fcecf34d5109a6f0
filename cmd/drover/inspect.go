package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/stream"
)

const inspectText = `Reads a migration stream: a file that "migrate file:..." left, also one of the
capability mapped-ram, or what went over a socket, as far as one channel has it.
FILE may be - for the standard input. It tells what sent the stream, the blocks of
RAM with their pages, each section, and what is wrong with any of it: what devices
say is held against the description that the stream has of itself.

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
		check: func(words []string) error {
			if len(words) != 1 {
				return usageError("inspect takes one file: drover inspect FILE")
			}
			return nil
		},
		run: f.run,
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

func (f *inspectFlags) run(_ context.Context, words []string, stdin *os.File, stdout, stderr io.Writer) int {
	found, err := readStream(words[0], stdin, stream.Options{Offset: f.offset})
	if found == nil || found.Version == 0 { // not even its beginning is that of a stream
		return complain(stderr, err)
	}
	in := inspection{File: words[0], Stream: found, Problems: found.Check()}
	if err != nil {
		broken := &stream.Error{}
		if !errors.As(err, &broken) {
			return complain(stderr, err)
		}
		in.Problems = append(in.Problems, broken.Problem())
	}
	if f.json {
		in.fields(f.verbose)
		report.JSONLine(stdout, in)
	} else {
		in.text(stdout, f.verbose)
	}
	if len(in.Problems) > 0 {
		return exitFailed
	}
	return exitOK
}

// readStream reads from a file in any place where that can be, else from front to back.
func readStream(name string, stdin *os.File, o stream.Options) (*stream.Stream, error) {
	f := stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		f = opened
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", name)
	}
	if info.Mode().IsRegular() && name != "-" {
		return stream.ReadFile(f, info.Size(), o)
	}
	return stream.Read(f, o)
}
