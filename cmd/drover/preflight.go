package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/report"
)

const preflightUsage = `usage: drover preflight [flags] SRC DST [-- QEMU arguments]

Predicts what becomes of a guest that moves from one QEMU to another, without
moving one. Each is asked what it would send of the machine, and what it takes;
what differs is written, a sentence each. SRC and DST are the paths of binaries,
or versions or suites of the fleet (10.0, bookworm), as "drover fleet list" knows
them. What stands behind -- is added to both command lines, so that the machine
is the one that you mean to move.

Exit status: 0 when the migration is predicted to complete, 1 when it is
predicted to fail, 2 when that can't be told.

flags:
`

func preflightCommand(ctx context.Context, args []string, _ *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("preflight", preflightUsage, stderr)
	arch := set.String("arch", "", "`target` (default: that of a binary, else x86_64)")
	machine := set.String("machine", "", "machine `type` of both sides (default: the newest that both know)")
	asJSON := set.Bool("json", false, "write one JSON object")
	verbose := set.Bool("v", false, "also write what differs about devices that the machine has not")
	var extra []string
	if at := slices.Index(args, "--"); at >= 0 {
		args, extra = args[:at], args[at+1:]
	}
	words, err := parseMixed(set, args)
	if err == nil && len(words) != 2 {
		err = usageError("preflight takes two QEMUs: drover preflight SRC DST")
	}
	if err != nil {
		return usageExit(err, stderr)
	}
	target, err := archFor(*arch, words)
	if err != nil {
		return complain(stderr, err)
	}
	sides, err := named(ctx, target, words)
	if err != nil {
		return complain(stderr, err)
	}
	r, err := predicted(ctx, new(migration.Describer), sides[0], sides[1], migration.Options{Arch: target, Machine: *machine, Args: extra})
	if err != nil {
		return complain(stderr, err)
	}
	if *asJSON {
		report.JSONLine(stdout, r)
	} else {
		report.PreflightText(stdout, r, *verbose)
	}
	switch r.Prediction.Outcome {
	case preflight.Completes:
		return exitOK
	case preflight.Refused:
		return exitFailed
	}
	return exitCannotRun
}

// predicted is the prediction for two members of the fleet. That they share no
// machine is one.
func predicted(ctx context.Context, all *migration.Describer, source, destination member, o migration.Options) (*preflight.Report, error) {
	o.Source, o.Destination = source.Path, destination.Path
	r, err := all.Preflight(ctx, o)
	if missing, ok := errors.AsType[*migration.UnsupportedError](err); ok {
		return &preflight.Report{
			Source: source.Version, Destination: destination.Version, Machine: o.Machine,
			Prediction: preflight.Prediction{Outcome: preflight.Refused, Sentence: missing.Error()},
		}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s -> %s: %w", source.Name, destination.Name, err)
	}
	return r, nil
}
