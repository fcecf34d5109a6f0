package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// bareMachine is the machine type of a QEMU that has no machine.
const bareMachine = "none"

// bare starts each QEMU of the run without a machine, and asks it something.
func (r *run) bare(ctx context.Context, p *Pair, ask func(binary string, bare *Pair) error) error {
	asked := map[string]bool{}
	for _, name := range []string{SourceName, DestinationName} {
		c := r.config(name)
		if asked[c.Binary] {
			continue
		}
		asked[c.Binary] = true
		bare := &Pair{run: r}
		var err error
		bare.Source, err = p.launch(ctx, r.ctx, launcher.Config{
			Binary: c.Binary, Arch: c.Arch, Name: name, Machine: bareMachine, Reservation: c.Reservation, Known: c.Known,
		}, &record.SideFacts{})
		if err != nil {
			return &StartError{err}
		}
		err = ask(c.Binary, bare)
		_ = bare.Source.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// needBare asks each QEMU, without a machine, for what the scenario needs. One that
// lacks it may not take the scenario's command line, and so could not be asked.
func (r *run) needBare(ctx context.Context, p *Pair, s Scenario) error {
	return r.bare(ctx, p, func(_ string, bare *Pair) error {
		if err := bare.Source.needAccel(ctx, s.Guest.Accel); err != nil {
			return err
		}
		return r.needQEMU(ctx, bare, s)
	})
}

// needAccel asks for an accelerator and its properties, as -accel takes them.
func (s *Side) needAccel(ctx context.Context, accel string) error {
	if accel == "" {
		return nil
	}
	name, properties, _ := strings.Cut(accel, ",")
	has, err := s.typeProperties(ctx, name+"-accel")
	if _, refused := errors.AsType[*qmp.Error](err); refused {
		return &UnsupportedError{fmt.Sprintf("QEMU %s has no accelerator %s", s.Facts.Version, name)}
	}
	if err != nil {
		return err
	}
	for property := range strings.SplitSeq(properties, ",") {
		property, _, _ = strings.Cut(property, "=")
		if property != "" && !slices.Contains(has, property) {
			return &UnsupportedError{fmt.Sprintf("QEMU %s has an accelerator %s without %s", s.Facts.Version, name, property)}
		}
	}
	return nil
}

// typeProperties names the properties of a type; QEMU refuses one that it doesn't have.
func (s *Side) typeProperties(ctx context.Context, name string) ([]string, error) {
	var properties []struct{ Name string }
	err := s.QMP().Execute(ctx, "qom-list-properties", map[string]string{"typename": name}, &properties)
	var names []string
	for _, p := range properties {
		names = append(names, p.Name)
	}
	return names, err
}

// settleGlobals finds out which of the scenario's globals each QEMU has. A QEMU does not
// start with one that it doesn't know.
func (r *run) settleGlobals(ctx context.Context, p *Pair) error {
	if len(r.scenario.Guest.Globals) == 0 {
		return nil
	}
	r.globals = map[string][]string{}
	return r.bare(ctx, p, func(binary string, bare *Pair) error {
		for _, g := range r.scenario.Guest.Globals {
			has, err := bare.Source.typeProperties(ctx, g.Type)
			if err != nil {
				return err
			}
			if slices.Contains(has, g.Property) {
				r.globals[binary] = append(r.globals[binary], "-global", g.Type+"."+g.Property+"="+g.Value)
			}
		}
		return nil
	})
}

func declareGlobal(a *Args, s *Scenario) {
	kind, rest, ok := strings.Cut(a.Word("the property"), ".")
	property, value, given := strings.Cut(rest, "=")
	if !ok || !given {
		a.Fail("a global is TYPE.PROPERTY=VALUE")
	}
	s.Guest.Globals = append(s.Guest.Globals, Global{kind, property, value})
}
