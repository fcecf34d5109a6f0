package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/report"
)

const preflightText = `Predicts what becomes of a guest that moves from one QEMU to another, without
moving one. Each QEMU is asked what it would send of the machine, what it takes, and
what the guest finds in its vCPUs; each also sends a guest that runs, to nobody, to
see whether it survives that. Each difference is written as a sentence. SRC and DST
are the paths of binaries, or versions or suites of the fleet (10.0, bookworm), as
"drover fleet list" has them. What stands behind -- is added to both command lines,
--src-args and --dst-args to one, so that the machine is the one that you mean to move.
Drover's own guest program boots in it for a moment.

Exit status: 0 when the migration is predicted to complete, 1 when it is
predicted to fail, 2 when it may fail or nothing can be predicted.`

func preflightCommand() *command {
	f := &preflightFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "preflight [flags] SRC DST [-- QEMU arguments]",
			Short:             "predict what becomes of a guest between two QEMUs, without moving one",
			Long:              preflightText,
			ValidArgsFunction: qemusOfFleet(2),
		},
		check: func(words []string) error {
			if len(words) != 2 {
				return usageError("preflight takes two QEMUs: drover preflight SRC DST")
			}
			return nil
		},
		run: f.run, behind: &f.args.both, owns: true,
	}
	set := c.Flags()
	set.StringVar(&f.arch, "arch", "", "`target` (default: that of a binary, else x86_64)")
	set.StringVar(&f.machine, "machine", "", "machine `type` of both sides; an alias (q35, pc) stands for the newest that both have (default: the newest that both have)")
	set.BoolVar(&f.json, "json", false, "write one JSON object")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "also print what differs about devices that the machine does not have, and all names where a sentence counts them")
	f.args.flags(set)
	completeQEMUs(c.Command, nil)
	return c
}

// preflightFlags are what "drover preflight" was told.
type preflightFlags struct {
	arch, machine string
	json, verbose bool
	args          qemuArgs
}

func (f *preflightFlags) run(ctx context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
	options := migration.Options{Machine: f.machine}
	f.args.assign(&options)
	r, err := preflightOf(ctx, f.arch, words, options)
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "")
	case err != nil:
		return complain(stderr, err)
	}
	if !f.json {
		report.PreflightText(stdout, r, f.verbose)
	} else if status := writeJSON(stdout, stderr, r); status != exitOK {
		return status
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
