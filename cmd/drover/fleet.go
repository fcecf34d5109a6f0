package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/fleet"
)

const fleetText = `Keeps private copies of QEMU in ~/.cache/drover, or $DROVER_CACHE/drover. They
come from the distribution's packages, which are unpacked there and not
installed; neither root nor a change of the system is needed.`

func fleetCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:   "fleet COMMAND [arguments]",
			Short: "fetch, list and remove private copies of QEMU",
			Long:  fleetText,
		},
		below: []*command{fleetEnsureCommand(), fleetFetchCommand(), fleetListCommand(), fleetRemoveCommand()},
	}
}

func fleetEnsureCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:   "ensure [ARCH ...]",
			Short: "fetch this system's own QEMU for the architectures that have none here",
			Long: `Prints for each architecture (x86_64 if none is given) the path of the QEMU
that drover would run: what DROVER_QEMU names, else the one in PATH, else a
private copy of this system's own, fetched if it isn't there yet.`,
			ValidArgsFunction: cobra.FixedCompletions(targets, cobra.ShellCompDirectiveNoFileComp),
		},
		run: fleetEnsure, owns: true,
	}
}

func fleetEnsure(ctx context.Context, arches []string, _ *os.File, stdout, stderr io.Writer) int {
	show := newFetchDisplay(stderr)
	binaries, err := fleet.Fleet{Progress: show.progress}.Ensure(ctx, arches...)
	show.end()
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "what is fetched so far is kept")
	case err != nil:
		return complain(stderr, err)
	}
	for _, b := range binaries {
		fmt.Fprintln(stdout, b.Path)
	}
	return exitOK
}

func fleetFetchCommand() *command {
	var releases strings.Builder
	for _, r := range fleet.Releases() {
		fmt.Fprintf(&releases, "    %-17s %-5s %s\n", r.Suite, r.QEMU, r.Use)
	}
	var arch string
	c := &command{
		Command: &cobra.Command{
			Use:   "fetch [flags] [SUITE|VERSION ...]",
			Short: "fetch Debian's QEMUs: several versions side by side",
			Long: `Fetches QEMUs of these releases of Debian, all of them if none is given:

` + releases.String() + `    distribution            this system's own
    kernels                 no QEMU: Linux kernels for the guests of the scenarios linux/...
    full-kernels            those with all drivers, where kernels has one without: x86_64, aarch64

Each QEMU takes 40 to 50 MB of download, and 130 MB of disk. The kernel for
x86_64 takes 27 MB and 104 MB, that of full-kernels 70 MB and 400 MB. What is
there already stays; what was interrupted goes on. Prints the paths: --qemu can name one.`,
			ValidArgsFunction: releaseNames,
		},
		run: func(ctx context.Context, names []string, _ *os.File, stdout, stderr io.Writer) int {
			return fleetFetch(ctx, arch, names, stdout, stderr)
		},
		owns: true,
	}
	c.Flags().StringVar(&arch, "arch", "x86_64,i386", "the `architectures` to fetch, with commas between them")
	completeFlag(c.Command, "arch", targets...)
	return c
}

func fleetFetch(ctx context.Context, arch string, names []string, stdout, stderr io.Writer) int {
	arches, err := namesIn("arch", arch)
	if err != nil {
		return complain(stderr, err)
	}
	show := newFetchDisplay(stderr)
	defer show.end()
	f := fleet.Fleet{Progress: show.progress}
	wanted := fleet.Releases()
	var kernels []string // names
	if len(names) > 0 {
		wanted = nil
		for _, name := range names {
			if name == fleet.KernelsName || name == fleet.FullKernelsName {
				kernels = append(kernels, name)
				continue
			}
			r, err := f.Release(name)
			if err != nil {
				return complain(stderr, err)
			}
			wanted = append(wanted, r)
		}
	}
	exit := exitOK
	for _, r := range wanted {
		binaries, err := f.Fetch(ctx, r, arches...)
		show.wipe()
		if ctx.Err() != nil {
			return interrupted(ctx, stderr, "what is fetched so far is kept")
		}
		if err != nil {
			exit = complain(stderr, err)
			continue
		}
		for _, b := range binaries {
			fmt.Fprintln(stdout, b.Path)
		}
	}
	for _, name := range kernels {
		exit = max(exit, fetchKernels(ctx, f, name, arches, show, stdout, stderr))
	}
	return exit
}

// fetchKernels fetches the kernels of that name of these targets, but for those of which the fleet knows none
// and that nobody asked for by name.
func fetchKernels(ctx context.Context, f fleet.Fleet, name string, arches []string, show *fetchDisplay, stdout, stderr io.Writer) int {
	exit := exitOK
	for _, arch := range arches {
		if arch == "i386" && len(arches) > 1 { // of the default
			continue
		}
		k, passed, err := f.FetchKernel(ctx, name, arch)
		show.wipe()
		for _, p := range passed {
			note(stderr, fmt.Sprintf("%v; the next release was tried", p))
		}
		switch {
		case ctx.Err() != nil:
			return interrupted(ctx, stderr, "what is fetched so far is kept")
		case err != nil:
			exit = complain(stderr, err)
		default:
			fmt.Fprintln(stdout, k.Path)
		}
	}
	return exit
}

func fleetListCommand() *command {
	var asJSON bool
	c := &command{
		Command: &cobra.Command{
			Use:   "list [flags]",
			Short: "list every QEMU that is known here, and the kernels",
			Long: `Lists every QEMU that is known here: those that the environment names, those in
PATH, and the private copies, then the Linux kernels for guests. A copy that is
damaged, or that another user can change, is not used, and is named on standard
error.`,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: func(words []string) error {
			if len(words) > 0 {
				return usageError("fleet list takes no names; it lists all")
			}
			return nil
		},
		run: func(_ context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
			return fleetList(asJSON, stdout, stderr)
		},
		owns: true,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write one JSON object a line")
	return c
}

func fleetList(asJSON bool, stdout, stderr io.Writer) int {
	var f fleet.Fleet
	all := f.All()
	for _, problem := range f.Problems() {
		fmt.Fprintf(stderr, "drover: %v\n", problem)
	}
	if asJSON {
		encoder := json.NewEncoder(stdout)
		for _, b := range all {
			_ = encoder.Encode(b)
		}
		for _, k := range f.Kernels() {
			_ = encoder.Encode(k)
		}
		return exitOK
	}
	if len(all) == 0 {
		_, err := f.Find("x86_64", fleet.Either)
		complain(stderr, errors.New("no QEMU is known here"))
		if err != nil {
			complain(stderr, err)
		}
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, b := range all {
		origin := b.Origin
		if b.Suite != "" {
			origin = b.Suite
			if r, err := f.Release(b.Suite); err == nil && r.QEMU != "" {
				origin += " (" + r.QEMU + ")"
			}
		}
		arch := b.Arch
		if arch == "" {
			arch = "?"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", arch, origin, b.Path)
	}
	for _, k := range f.Kernels() {
		fmt.Fprintf(w, "%s\t%s (Linux %s)\t%s\n", k.Arch, k.Suite, k.Release, k.Path)
	}
	_ = w.Flush()
	return exitOK
}

func fleetRemoveCommand() *command {
	return &command{
		Command: &cobra.Command{
			Use:               "remove SUITE|VERSION ...",
			Short:             "delete copies",
			Long:              "Deletes the private copies of these releases; kernels and full-kernels are all kernels of that kind.",
			ValidArgsFunction: copies,
		},
		check: func(names []string) error {
			if len(names) == 0 {
				return usageError("fleet remove needs the name of a release; \"drover fleet list\" lists what is here")
			}
			return nil
		},
		run: fleetRemove, owns: true,
	}
}

func fleetRemove(ctx context.Context, names []string, _ *os.File, _, stderr io.Writer) int {
	exit := exitOK
	for _, name := range names {
		if err := (fleet.Fleet{}).Remove(ctx, name); err != nil {
			exit = complain(stderr, err)
		}
	}
	return exit
}
