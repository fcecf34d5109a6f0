package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
)

const runText = `Runs the scenarios that match a pattern, all of them where none is given. A
pattern is a scenario's name or the beginning of one up to a slash, with or
without the target in front (precopy, x86_64/postcopy/plain); * stands for
anything. "drover list" lists the scenarios. FILE.scenario, a folder of such files,
or - for standard input runs scenarios of your own: "drover verbs" prints what they
can say, "drover vet" checks them. What stands behind -- is added to the command
line of both QEMUs, --src-args and --dst-args to that of one side.

The QEMUs are those that --qemu names, else DROVER_QEMU, else QTEST_QEMU_BINARY,
else the one in PATH, else the private copy that "drover fleet ensure" fetched.
For one side only: --qemu-src and --qemu-dst, or the variables with _SRC and _DST.
With --fleet they are all that DROVER_FLEET names, else all private copies.

Exit status: 0 when nothing failed, 1 when a scenario failed, 2 when one could not
be tried or judged, or the run was interrupted. A skipped scenario did not fail.

With --bisect, for "git bisect run drover run --bisect --qemu build/qemu-system-x86_64
SCENARIO": 0 when all passed, 1 when one failed, 125 when a QEMU is not there or does not
start, or a scenario was skipped or could not be judged, 128 when the command line is
wrong or the run was interrupted.`

// runFlags are what "drover run" was told.
type runFlags struct {
	arch, qemu, source, destination, machine, accel, artifacts, suite string
	kernels                                                           kernelFlags
	keep, hold, json, verbose, times, fleet                           bool
	budget                                                            time.Duration
	parallel                                                          atATime
	patterns                                                          []string
	args                                                              qemuArgs
	repeats                                                           repeats
	bisect                                                            bool
	pages                                                             pageFlags
}

func runCommand() *command {
	f := &runFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "run [flags] [pattern|FILE.scenario ...] [-- QEMU arguments]",
			Short:             "run migration scenarios",
			Long:              runText,
			ValidArgsFunction: scenariosAndFiles,
		},
		check: f.check, run: f.run, behind: &f.args.both, owns: true,
	}
	f.declare(c.Flags())
	completeQEMUs(c.Command, &f.qemu)
	return c
}

// declare makes the flags.
func (f *runFlags) declare(set *pflag.FlagSet) {
	set.StringVar(&f.arch, "arch", "", "`targets`, comma separated: "+strings.Join(targets, ", ")+", or all (default: that of --qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.qemu, "qemu", "", "QEMU of both sides: the path of a `binary`, or a version or suite of the fleet")
	set.StringVar(&f.source, "qemu-src", "", "QEMU `binary` of the source")
	set.StringVar(&f.destination, "qemu-dst", "", "QEMU `binary` of the destination")
	set.StringVar(&f.machine, "machine", "", "machine `type` of both sides (default: QEMU's, or the newest that both know)")
	set.StringVar(&f.accel, "accel", "", "`accelerator` (default tcg)")
	set.StringVar(&f.artifacts, "artifacts", "", "`folder` for what a failed scenario leaves (default: the system's temporary one)")
	set.StringVar(&f.suite, "suite", "", suiteUsage)
	set.BoolVar(&f.keep, "keep", false, "keep the artifacts of every scenario, not only of failed ones")
	set.BoolVar(&f.hold, "hold", false, "keep both VMs of a failed scenario alive, print how to attach, and wait for a key")
	set.BoolVar(&f.fleet, "fleet", false, "run on every QEMU of the fleet, one after another (both sides the same)")
	set.BoolVar(&f.json, "json", false, "write one JSON object a line: each result, then the sum")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "print each step and its time, and a line for each skipped scenario")
	set.BoolVar(&f.times, "times", false, "print the time per phase at the end")
	set.DurationVar(&f.budget, "budget", 0, "`time` that one scenario may take (default: what its steps may)")
	set.Var(&f.parallel, "parallel", parallelUsage)
	set.BoolVar(&f.bisect, "bisect", false, "exit as \"git bisect run\" wants it: 0 good, 1 bad, 125 where this QEMU can't be tried, 128 to stop")
	f.kernels.flags(set)
	f.pages.flags(set)
	f.args.flags(set)
	f.repeats.flags(set)
}

func (f *runFlags) check(words []string) error {
	f.patterns = words
	switch {
	case f.fleet && f.qemu+f.source+f.destination != "":
		return usageError("--fleet chooses the QEMUs itself: leave --qemu, --qemu-src and --qemu-dst out")
	case f.pages.github && f.json:
		return usageError("--github prints lines that are no JSON: leave it or --json out")
	case f.hold && f.parallel > 1:
		return usageError("--hold needs --parallel 1: it waits for a key")
	case f.hold:
		f.parallel = 1
	}
	return cmp.Or(checkTime("budget", f.budget), f.repeats.check(), f.kernels.check())
}

// options are those that are the same for every scenario of a target.
func (f runFlags) options(arch string) migration.Options {
	o := migration.Options{Arch: arch, Machine: f.machine, Accel: f.accel, Budget: f.budget, Artifacts: f.pages.artifacts(f.artifacts), Keep: f.keep || f.pages.dir != ""}
	f.args.assign(&o)
	f.kernels.assign(&o)
	return o
}

// environment is the process's own with the flags in place of the variables that mean the
// same. A flag may name a QEMU of the fleet by its version or its suite.
func (f runFlags) environment() (func(string) string, error) {
	flags := map[string]string{"DROVER_QEMU": f.qemu, "DROVER_QEMU_SRC": f.source, "DROVER_QEMU_DST": f.destination}
	for name, value := range flags {
		path, err := privateCopy(value)
		if err != nil {
			return nil, err
		}
		flags[name] = path
	}
	return func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		if f.qemu != "" && strings.HasPrefix(name, "DROVER_QEMU_") {
			return "" // --qemu names both sides, also against the variables
		}
		return os.Getenv(name)
	}, nil
}

// find is [fleet.Find] in that environment; where a flag named what can't be a QEMU, so does
// the error.
func (f runFlags) find(arch string, side fleet.Side, env func(string) string) (fleet.Binary, error) {
	binary, err := fleet.Find(arch, side, env)
	named, ok := errors.AsType[*fleet.NamedError](err)
	if !ok {
		return binary, err
	}
	flags := map[string]struct{ name, value string }{
		"DROVER_QEMU": {"--qemu", f.qemu}, "DROVER_QEMU_SRC": {"--qemu-src", f.source}, "DROVER_QEMU_DST": {"--qemu-dst", f.destination},
	}
	flag := flags[named.Variable]
	if flag.value == "" {
		return binary, err
	}
	byFlag := *named
	byFlag.Variable = flag.name
	if !strings.ContainsRune(flag.value, filepath.Separator) { // then it may have been meant as a version
		byFlag.Reason = "is no command in PATH, and no version of the fleet; give the path of a binary, or one of " + strings.Join(versions(), ", ")
	}
	return binary, &byFlag
}

// versions are those that can be fetched.
func versions() (all []string) {
	for _, r := range fleet.Releases() {
		if r.QEMU != "" {
			all = append(all, r.QEMU)
		}
	}
	return all
}

// privateCopy is the path of a binary of the fleet where name is the version or the suite of
// one, else name itself. It may be for another target than the one that is wanted: those
// beside it are found by its path. Where there is one for x86_64, it is that.
func privateCopy(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	r, err := (fleet.Fleet{}).Release(name)
	if err != nil {
		return name, nil // fleet.Find says what is wrong with it
	}
	for _, arch := range slices.Concat([]string{"x86_64"}, targets) {
		if binary, ok := (fleet.Fleet{}).Fetched(r.Suite, arch); ok {
			return binary.Path, nil
		}
	}
	return "", fmt.Errorf("QEMU %s is not here; fetch it with: drover fleet fetch %s", name, name)
}

// allTargets stands for every target that drover has guests for.
const allTargets = "all"

// targets are those that were asked for, or that the QEMU named is for.
func (f runFlags) targets(env func(string) string) ([]string, error) {
	if f.arch == "" {
		for _, name := range []string{"DROVER_QEMU", "DROVER_QEMU_SRC", "QTEST_QEMU_BINARY"} {
			if arch, ok := fleet.ArchOf(env(name)); ok {
				return []string{arch}, nil
			}
		}
		return []string{"x86_64"}, nil
	}
	names, err := namesIn("arch", f.arch)
	if err != nil {
		return nil, err
	}
	var archs []string // each once
	for _, name := range names {
		if name == allTargets {
			return slices.Clone(targets), nil
		}
		arch, err := fleet.ParseArch(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(archs, arch) {
			archs = append(archs, arch)
		}
	}
	return archs, nil
}
