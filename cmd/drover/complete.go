package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration/scenarios"
	"github.com/drover-vm/drover/migration/steps"
)

// What a shell may offer for words and flags. Shells offer files where one of these has
// nothing and its directive doesn't say otherwise.

const (
	noFiles = cobra.ShellCompDirectiveNoFileComp
	orFiles = cobra.ShellCompDirectiveDefault
	noSpace = cobra.ShellCompDirectiveNoSpace
)

// targets are the names of those that drover has guests for.
var targets = fixtures.Archs(fixtures.Incrementer)

// upTo offers what another function does, to the first n words.
func upTo(n int, offer cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, words []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(words) >= n {
			return nil, noFiles
		}
		return offer(c, words, begun)
	}
}

// completeFlag offers fixed values of a flag.
func completeFlag(c *cobra.Command, flag string, values ...string) {
	offerFor(c, flag, cobra.FixedCompletions(values, noFiles))
}

// offerFor panics where there is no such flag: that is a mistake of ours, which every call
// of drover shows.
func offerFor(c *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err)
	}
}

// completeQEMUs offers values of the flags that are about QEMUs, those of them that a
// command has. Machine types are those of the QEMU that qemu names, else of the one that
// would be taken.
func completeQEMUs(c *cobra.Command, qemu *string) {
	for _, flag := range []string{"qemu", "qemu-src", "qemu-dst"} {
		if c.Flags().Lookup(flag) != nil {
			offerFor(c, flag, qemusOfFleet(1000))
		}
	}
	archs := slices.Clone(targets)
	if c.Name() == "run" {
		archs = append(archs, allTargets)
	}
	completeFlag(c, "arch", archs...)
	offerFor(c, "machine", func(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return machineTypes(c, qemu, begun), noFiles
	})
	for flag, values := range map[string][]string{"accel": {"tcg", "kvm", "auto"}, "suite": suites} {
		if c.Flags().Lookup(flag) != nil {
			completeFlag(c, flag, values...)
		}
	}
	if c.Flags().Lookup("artifacts") != nil {
		offerFor(c, "artifacts", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		})
	}
}

// machinesTimeout is how long a QEMU may take to list its machine types while somebody
// waits at a prompt.
const machinesTimeout = 3 * time.Second

func machineTypes(c *cobra.Command, qemu *string, begun string) (offers []cobra.Completion) {
	ctx, cancel := context.WithTimeout(c.Context(), machinesTimeout)
	defer cancel()
	f := runFlags{}
	if qemu != nil {
		f.qemu = *qemu
	}
	arch, err := archFor(c.Flag("arch").Value.String(), []string{f.qemu})
	if err != nil {
		return nil
	}
	env, err := f.environment()
	if err != nil {
		return nil
	}
	binary, err := fleet.Find(arch, fleet.Source, env)
	if err != nil {
		return nil
	}
	machines, _ := probe.Machines(ctx, binary.Path)
	for _, m := range machines {
		if strings.HasPrefix(m.Name, begun) {
			offers = append(offers, m.Name)
		}
	}
	return offers
}

// qemusOfFleet offers versions and suites of the private copies, and paths, to the first n
// words.
func qemusOfFleet(n int) cobra.CompletionFunc {
	return upTo(n, func(_ *cobra.Command, _ []string, begun string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
		for _, c := range (fleet.Fleet{}).Copies() {
			version := ""
			if r, err := (fleet.Fleet{}).Release(c.Suite); err == nil {
				version = r.QEMU
			}
			if version != "" && strings.HasPrefix(version, begun) {
				offers = append(offers, cobra.CompletionWithDesc(version, "QEMU of "+c.Suite))
			}
			if strings.HasPrefix(c.Suite, begun) {
				offers = append(offers, cobra.CompletionWithDesc(c.Suite, strings.TrimSpace("QEMU "+version)))
			}
		}
		return offers, orFiles
	})
}

// releaseNames offers the releases that can be fetched.
func releaseNames(*cobra.Command, []string, string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, r := range fleet.Releases() {
		offers = append(offers, cobra.CompletionWithDesc(r.Suite, "QEMU "+r.QEMU), cobra.CompletionWithDesc(r.QEMU, r.Suite))
	}
	return append(offers, cobra.CompletionWithDesc("distribution", "this system's own"),
		cobra.CompletionWithDesc(fleet.KernelsName, "Linux kernels for guests"),
		cobra.CompletionWithDesc(fleet.FullKernelsName, "those with all drivers, for x86_64 and aarch64")), noFiles
}

// copies offers the releases that are here.
func copies(*cobra.Command, []string, string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, c := range (fleet.Fleet{}).Copies() {
		offers = append(offers, c.Suite)
	}
	for _, k := range (fleet.Fleet{}).Kernels() {
		if !slices.Contains(offers, k.Name) {
			offers = append(offers, k.Name)
		}
	}
	return offers, noFiles
}

// verbWords offers the words of the verbs' names.
func verbWords(*cobra.Command, []string, string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, v := range steps.Verbs() {
		offers = append(offers, strings.Fields(v.Name)...)
	}
	slices.Sort(offers)
	return slices.Compact(offers), noFiles
}

// guestPrograms offers drover's own guests.
func guestPrograms(c *cobra.Command, words []string, _ string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, p := range fixtures.All() {
		if len(words) == 0 && !slices.Contains(offers, p.Name) {
			offers = append(offers, p.Name)
		}
	}
	return offers, noFiles
}

// scenarioNames offers the catalogue's names a folder at a time, as shells do with files.
func scenarioNames(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	offers := catalogue(begun)
	return offers, spaceAfter(offers)
}

// spaceAfter is the directive for names of which some are folders, behind which more comes.
func spaceAfter(offers []cobra.Completion) cobra.ShellCompDirective {
	if slices.ContainsFunc(offers, isFolder) {
		return noFiles | noSpace
	}
	return noFiles
}

func isFolder(offer cobra.Completion) bool {
	name, _, _ := strings.Cut(offer, "\t")
	return strings.HasSuffix(name, "/")
}

// catalogue offers what may follow up to the next slash: scenarios with their sentence,
// folders with the number of scenarios in them. A folder of one is that one. A target in
// front stays there.
func catalogue(begun string) (offers []cobra.Completion) {
	target := ""
	for _, arch := range targets {
		if rest, ok := strings.CutPrefix(begun, arch+"/"); ok {
			target, begun = arch+"/", rest
		}
	}
	within := map[string]int{}
	next := func(name string) string {
		if at := strings.IndexByte(name[len(begun):], '/'); at >= 0 {
			return name[:len(begun)+at+1]
		}
		return name
	}
	all := scenarios.All()
	for _, s := range all {
		if strings.HasPrefix(s.Name, begun) {
			within[next(s.Name)]++
		}
	}
	for _, s := range all {
		if !strings.HasPrefix(s.Name, begun) {
			continue
		}
		switch name := next(s.Name); {
		case within[name] > 1:
			offers = append(offers, cobra.CompletionWithDesc(target+name, fmt.Sprintf("%d scenarios", within[name])))
			within[name] = -1 // offered
		case within[name] == 1:
			offers = append(offers, cobra.CompletionWithDesc(target+s.Name, s.Doc))
		}
	}
	return offers
}

// completeScenarioList offers scenarios for a flag that takes several, with commas.
func completeScenarioList(c *cobra.Command, flag string) {
	offerFor(c, flag, func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := begun[:strings.LastIndexByte(begun, ',')+1]
		offers := catalogue(begun[len(before):])
		for i := range offers {
			offers[i] = before + offers[i]
		}
		return offers, noFiles | noSpace
	})
}

// scenarioFiles offers scenario files, and the folders on the way to them.
func scenarioFiles(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	offers := files(begun)
	return offers, spaceAfter(offers)
}

func files(begun string) (offers []cobra.Completion) {
	folder, base := filepath.Split(begun)
	entries, _ := os.ReadDir(filepath.Clean(folder)) // where it can't be read there is nothing to offer
	for _, e := range entries {
		name := folder + e.Name()
		switch hidden := strings.HasPrefix(e.Name(), ".") && base == ""; {
		case !strings.HasPrefix(e.Name(), base) || hidden:
		case e.IsDir():
			offers = append(offers, name+"/")
		case strings.HasSuffix(name, scenarios.Extension):
			offers = append(offers, name)
		}
	}
	return offers
}

// scenariosAndFiles offers both; folders of files only where no name is meant.
func scenariosAndFiles(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	offers := catalogue(begun)
	named := len(offers) > 0
	for _, file := range files(begun) {
		if !named || !isFolder(file) {
			offers = append(offers, file)
		}
	}
	return offers, spaceAfter(offers)
}
