package main

import (
	"cmp"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
)

const runUsage = `usage: drover run [flags] [pattern|FILE.scenario ...] [-- QEMU arguments]

Runs the scenarios that match a pattern, all of them where none is given. A
pattern is a scenario's name or the beginning of one up to a slash, with or
without the target in front (precopy, x86_64/postcopy/plain); * stands for
anything. "drover list" lists the scenarios. FILE.scenario, a folder of such files,
or - for standard input runs scenarios of your own: "drover verbs" prints what they
can say, "drover vet" checks them. What stands behind -- is added to the command
line of both QEMUs, -src-args and -dst-args to that of one side.

The QEMUs are those that -qemu names, else DROVER_QEMU, else QTEST_QEMU_BINARY,
else the one in PATH, else the private copy that "drover fleet ensure" fetched.
For one side only: -qemu-src and -qemu-dst, or the variables with _SRC and _DST.
With -fleet they are all that DROVER_FLEET names, else all private copies.

Exit status: 0 when nothing failed, 1 when a scenario failed, 2 when one could not
be tried or judged, or the run was interrupted. A skipped scenario did not fail.

flags:
`

// runFlags are what "drover run" was told.
type runFlags struct {
	arch, qemu, source, destination, machine, accel, artifacts, suite string
	keep, hold, json, verbose, times, fleet                           bool
	pages                                                             pageFlags
	budget                                                            time.Duration
	parallel                                                          int
	patterns                                                          []string
	args                                                              qemuArgs
}

func parseRun(args []string, stderr io.Writer) (runFlags, error) {
	var f runFlags
	set := newFlagSet("run", runUsage, stderr)
	set.StringVar(&f.arch, "arch", "", "`targets`, comma separated: x86_64, i386, ppc64 (default: that of -qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.qemu, "qemu", "", "QEMU `binary` of both sides")
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
	set.BoolVar(&f.verbose, "v", false, "print each step and its time, and a line for each skipped scenario")
	set.BoolVar(&f.times, "times", false, "print the time per phase at the end")
	f.pages.flags(set)
	set.DurationVar(&f.budget, "budget", 0, "`time` that one scenario may take (default: what its steps may)")
	set.IntVar(&f.parallel, "parallel", 1, parallelUsage)
	f.args.flags(set)
	args = f.args.behindDashes(args)
	var err error
	f.patterns, err = parseMixed(set, args)
	switch {
	case err != nil:
	case f.fleet && f.qemu+f.source+f.destination != "":
		err = usageError("-fleet chooses the QEMUs itself: leave -qemu, -qemu-src and -qemu-dst out")
	case f.pages.github && f.json:
		err = usageError("-github prints lines that are no JSON: leave it or -json out")
	case f.hold && f.parallel > 1:
		err = usageError("-hold needs -parallel 1: it waits for a key")
	default:
		err = cmp.Or(checkParallel(f.parallel), checkTime("budget", f.budget))
	}
	return f, err
}

// options are those that are the same for every scenario of a target.
func (f runFlags) options(arch string) migration.Options {
	o := migration.Options{Arch: arch, Machine: f.machine, Accel: f.accel, Budget: f.budget, Artifacts: f.pages.artifacts(f.artifacts), Keep: f.keep || f.pages.dir != ""}
	f.args.assign(&o)
	return o
}

// environment is the process's own with the flags in place of the variables
// that mean the same.
func (f runFlags) environment() func(string) string {
	flags := map[string]string{"DROVER_QEMU": f.qemu, "DROVER_QEMU_SRC": f.source, "DROVER_QEMU_DST": f.destination}
	return func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		if f.qemu != "" && strings.HasPrefix(name, "DROVER_QEMU_") {
			return "" // -qemu names both sides, also against the variables
		}
		return os.Getenv(name)
	}
}

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
