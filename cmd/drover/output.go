package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/report"
)

// An outputError says that what a command printed could not be written.
type outputError struct{ cause error }

func (e *outputError) Error() string { return fmt.Sprintf("the output can't be written: %v", e.cause) }
func (e *outputError) Unwrap() error { return e.cause }

var errNobodyReads = errors.New("nobody reads it")

// An output is the standard output, or the one for errors. Its first error ends the
// command, and is what all later writes return. Once ctx has ended, a write waits no
// longer than outputGrace for somebody who reads. It is safe for concurrent use.
type output struct {
	ctx  context.Context
	end  context.CancelCauseFunc
	file *os.File

	mu  sync.Mutex
	err *outputError
}

// outputGrace is how long a write may take when the command is to end: less than
// the second in which that should have happened.
const outputGrace = 100 * time.Millisecond

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		if err := o.write(bytes.Clone(p)); err != nil {
			o.err = &outputError{err}
			o.end(o.err)
		}
	}
	if o.err != nil {
		return 0, o.err
	}
	return len(p), nil
}

func (o *output) write(p []byte) error {
	written := make(chan error, 1)
	go func() {
		_, err := o.file.Write(p)
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-o.ctx.Done():
	}
	select {
	case err := <-written:
		return err
	case <-time.After(outputGrace):
		return errNobodyReads // the write stays behind until the process ends
	}
}

// lost is what could not be written, nil where all was. A pipe that its reader has closed
// is no loss.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil || errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return o.err
}

// writeJSON writes a value as JSON, and returns the exit code where that is not possible. Of
// an output that can't be written the command's end tells.
func writeJSON(stdout, stderr io.Writer, value any) int {
	err := report.JSONLine(stdout, value)
	if _, lost := errors.AsType[*outputError](err); err == nil || lost {
		return exitOK
	}
	return complain(stderr, err)
}

// A printer is what commands write to. It prints plain text, whoever wrote that. Only what
// draws on a terminal, or attaches a person to a guest's console, goes past it: see raw.
type printer struct {
	*plain.Writer
	output *output
}

func newPrinter(ctx context.Context, end context.CancelCauseFunc, file *os.File) *printer {
	o := &output{ctx: ctx, end: end, file: file}
	return &printer{plain.NewWriter(o), o}
}

// raw is the output below a printer, for a writer that sees to it itself that what it
// writes is fit for a terminal.
func raw(w io.Writer) io.Writer {
	if p, ok := w.(*printer); ok {
		return p.output
	}
	return w
}

// terminal returns the terminal that w writes to, false where it is none.
func terminal(w io.Writer) (*os.File, bool) {
	o, ok := raw(w).(*output)
	if !ok || !term.IsTerminal(int(o.file.Fd())) {
		return nil, false
	}
	return o.file, true
}
