package steps

import (
	"context"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/released"
	"github.com/drover-vm/drover/migration/record"
)

// ExpectKnownVMState holds what each QEMU declares of the types of device that it has
// (-dump-vmstate), and what the source has sent into the saved file, against what a QEMU
// of the same release is known to send: both sides of a pair leave out what both have lost,
// so that neither can tell. A release that isn't recorded is left out; the stream of a
// machine that isn't the scenario's own is, too.
func ExpectKnownVMState() migration.Step {
	return onFile("expect known-vmstate", "await saved", func(ctx context.Context, p *migration.Pair) error {
		saved, err := openSaved(p.Path(streamFile))
		if err != nil {
			return err
		}
		defer saved.close()
		source, err := released.Of(p.Facts.Arch, p.Source.Version())
		if err != nil {
			return err
		}
		if source != nil && p.AsDescribed() && source.Machines[p.Facts.Scenario] == saved.Configuration.Machine {
			p.Measure("sections of the stream known of this release", float64(len(source.Sections[p.Facts.Scenario])), "sections", record.AtLeast(1))
			if err := lostError(source, source.LostSections(p.Facts.Scenario, released.Sections(saved.Stream)), "has sent"); err != nil {
				return err
			}
		}
		if err := expectKnownTypes(ctx, p.Source, source, saved.Configuration.Machine); err != nil || p.Destination == nil || p.Destination.Binary() == p.Source.Binary() {
			return err
		}
		destination, err := released.Of(p.Facts.Arch, p.Destination.Version())
		if err != nil {
			return err
		}
		return expectKnownTypes(ctx, p.Destination, destination, saved.Configuration.Machine)
	})
}

func expectKnownTypes(ctx context.Context, s *migration.Side, release *released.Release, machine string) error {
	if release == nil {
		return nil
	}
	types, err := declaredTypes(ctx, s, machine)
	if err != nil {
		return err
	}
	return lostError(release, release.LostTypes(types), "declares")
}

// lostError is nil where nothing is lost.
func lostError(r *released.Release, lost []string, verb string) error {
	if len(lost) == 0 {
		return nil
	}
	more := ""
	if n := len(lost) - maxNamed; n > 0 {
		lost, more = lost[:maxNamed], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("QEMU %s %s of its devices what this one does not: %s%s", r.Version, verb, strings.Join(lost, "; "), more)
}
