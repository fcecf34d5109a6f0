package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration/report"
)

// A member is a QEMU of the fleet.
type member struct {
	report.QEMU
	suite string // of the private copy; "" for others
	info  probe.Info
}

// members are the fleet's QEMUs for a target, the oldest first: those that
// DROVER_FLEET names, separated as in PATH; else the private copies; else the one
// that "drover run" would take.
func members(ctx context.Context, arch string) ([]member, error) {
	var all []member
	add := func(path, suite string) error {
		m, err := inspected(ctx, path, suite)
		all = append(all, m)
		return err
	}
	list := os.Getenv("DROVER_FLEET")
	for _, path := range filepath.SplitList(list) {
		if path == "" {
			return nil, fmt.Errorf("DROVER_FLEET must not have an empty path, as %s has", quoted(list))
		}
		if named, ok := fleet.ArchOf(path); ok && named != arch {
			continue
		}
		if err := add(path, ""); err != nil {
			return nil, fmt.Errorf("DROVER_FLEET: %w", err)
		}
	}
	if len(all) == 0 {
		for _, b := range (fleet.Fleet{}).All() {
			if b.Suite != "" && b.Arch == arch {
				if err := add(b.Path, b.Suite); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(all) == 0 {
		b, err := fleet.Find(arch, fleet.Either, nil)
		if err != nil {
			return nil, err
		}
		if err := add(b.Path, b.Suite); err != nil {
			return nil, err
		}
	}
	return inOrder(all), nil
}

func inspected(ctx context.Context, path, suite string) (member, error) {
	info, err := probe.Inspect(ctx, path)
	if err != nil {
		return member{}, err
	}
	v := info.Version
	name := fmt.Sprintf("%d.%d", v.Major, v.Minor)
	return member{report.QEMU{Name: name, Path: info.Path, Version: v.String()}, suite, info}, nil
}

// inOrder sorts by version, and gives those of the same one names of their own.
func inOrder(all []member) []member {
	slices.SortStableFunc(all, func(a, b member) int {
		v, w := a.info.Version, b.info.Version
		return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Micro, w.Micro))
	})
	for i := range all {
		same := 0
		for _, other := range all[:i] {
			if v, w := all[i].info.Version, other.info.Version; v.Major == w.Major && v.Minor == w.Minor {
				same++
			}
		}
		if same > 0 {
			all[i].Name += fmt.Sprintf("#%d", same+1)
		}
	}
	return all
}

// named are the QEMUs that somebody named, each by its path, or, of the fleet, by
// its version or its suite.
func named(ctx context.Context, arch string, names []string) ([]member, error) {
	var all []member
	for _, name := range names {
		if name == "" {
			return nil, usageError("the name of a QEMU must not be empty: give the path of a binary, or a version or a suite of the fleet")
		}
		if strings.ContainsRune(name, filepath.Separator) {
			m, err := inspected(ctx, name, "")
			if err != nil {
				return nil, err
			}
			all = append(all, m)
			continue
		}
		m, err := ofFleet(ctx, arch, name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func ofFleet(ctx context.Context, arch, name string) (member, error) {
	there, err := members(ctx, arch)
	if _, none := errors.AsType[*fleet.NotFoundError](err); err != nil && !none {
		return member{}, err
	}
	var names []string
	for _, m := range there {
		if name == m.Name || name == m.Version || name == m.suite {
			return m, nil
		}
		names = append(names, m.Name)
		if m.suite != "" {
			names = append(names, m.suite)
		}
	}
	if r, err := (fleet.Fleet{}).Release(name); err == nil {
		return member{}, fmt.Errorf("QEMU %s is not here; fetch it with: drover fleet fetch %s", name, cmp.Or(r.QEMU, r.Suite))
	}
	if err != nil { // no QEMU at all
		return member{}, err
	}
	if offer := didYouMean(name, names); offer != "" {
		return member{}, fmt.Errorf("the fleet has no QEMU %s for %s%s", quoted(name), arch, offer)
	}
	return member{}, fmt.Errorf("the fleet has no QEMU %s for %s; there are %s, or name a binary by its path", quoted(name), arch, strings.Join(names, ", "))
}

// archFor is the target that was asked for, or that the name of a binary says.
func archFor(asked string, binaries []string) (string, error) {
	if asked != "" {
		return fleet.ParseArch(asked)
	}
	for _, b := range append(binaries, filepath.SplitList(os.Getenv("DROVER_FLEET"))...) {
		if arch, ok := fleet.ArchOf(b); ok {
			return arch, nil
		}
	}
	return "x86_64", nil
}

// onFleet is the jobs on every QEMU of the fleet, one QEMU after another, with its
// version in their names.
func onFleet(ctx context.Context, jobs []job, archs []string) ([]job, error) {
	var all []job
	for _, arch := range archs {
		there, err := members(ctx, arch)
		if err != nil {
			return nil, err
		}
		for _, m := range there {
			for _, j := range jobs {
				if j.options.Arch != arch {
					continue
				}
				j.scenario.Name = m.Name + "/" + j.scenario.Name
				j.options.Source, j.options.Destination = m.Path, m.Path
				all = append(all, j)
			}
		}
	}
	return all, nil
}
