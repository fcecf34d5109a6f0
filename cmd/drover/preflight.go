package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/report"
)

const preflightUsage = `usage: drover preflight [flags] SRC DST [-- QEMU arguments]

Predicts what becomes of a guest that moves from one QEMU to another, without
moving one. Each QEMU is asked what it would send of the machine, what it takes, and
what the guest finds in its vCPUs; each also sends a guest that runs, to nobody, to
see whether it survives that. Each difference is written as a sentence. SRC and DST
are the paths of binaries, or versions or suites of the fleet (10.0, bookworm), as
"drover fleet list" has them. What stands behind -- is added to both
command lines, -src-args and -dst-args to one, so that the machine is the one that
you mean to move. Drover's own guest program
boots in it for a moment.

Exit status: 0 when the migration is predicted to complete, 1 when it is
predicted to fail, 2 when it may fail or nothing can be predicted.

flags:
`

func preflightCommand(ctx context.Context, args []string, _ *os.File, stdout, stderr io.Writer) int {
	set := newFlagSet("preflight", preflightUsage, stderr)
	arch := set.String("arch", "", "`target` (default: that of a binary, else x86_64)")
	machine := set.String("machine", "", "machine `type` of both sides; an alias (q35, pc) stands for the newest that both have (default: the newest that both have)")
	asJSON := set.Bool("json", false, "write one JSON object")
	verbose := set.Bool("v", false, "also print what differs about devices that the machine does not have, and all names where a sentence counts them")
	var extra qemuArgs
	extra.flags(set)
	args = extra.behindDashes(args)
	words, err := parseMixed(set, args)
	if err == nil && len(words) != 2 {
		err = usageError("preflight takes two QEMUs: drover preflight SRC DST")
	}
	if err != nil {
		return usageExit(err, stderr)
	}
	options := migration.Options{Machine: *machine}
	extra.assign(&options)
	r, err := preflightOf(ctx, *arch, words, options)
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "")
	case err != nil:
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
	case preflight.Refused, preflight.Crashes:
		return exitFailed
	}
	return exitCannotRun
}

// preflightOf is the prediction for two QEMUs, each as somebody named it.
func preflightOf(ctx context.Context, arch string, names []string, o migration.Options) (*preflight.Report, error) {
	var err error
	if o.Arch, err = archFor(arch, names); err != nil {
		return nil, err
	}
	sides, err := named(ctx, o.Arch, names)
	if err != nil {
		return nil, err
	}
	return predicted(ctx, new(migration.Describer), sides[0], sides[1], o)
}

// predicted is the prediction for two members of the fleet. That they have no machine
// type in common is one.
func predicted(ctx context.Context, all *migration.Describer, source, destination member, o migration.Options) (*preflight.Report, error) {
	o.Source, o.Destination = source.Path, destination.Path
	r, err := all.Preflight(ctx, o)
	if none, ok := errors.AsType[*probe.NoCommonMachineError](err); ok {
		return &preflight.Report{
			Source: source.Version, Destination: destination.Version,
			Prediction: preflight.Prediction{Outcome: preflight.Refused, Sentence: none.Error()},
		}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s -> %s: %w", source.Name, destination.Name, err)
	}
	return r, nil
}
