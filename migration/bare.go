package migration

import (
	"context"
	"slices"

	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/record"
)

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
		bare.Source, err = p.launch(ctx, launcher.Config{
			Binary: c.Binary, Arch: c.Arch, Name: name, Machine: "none", Reservation: c.Reservation, Known: c.Known,
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

// A Global is a property of a type, which all objects of that type are given.
type Global struct{ Type, Property, Value string }

// settleGlobals finds out which of the scenario's globals each QEMU has. A QEMU does not
// start with one that it doesn't know.
func (r *run) settleGlobals(ctx context.Context, p *Pair) error {
	if len(r.scenario.Globals) == 0 {
		return nil
	}
	r.globals = map[string][]string{}
	return r.bare(ctx, p, func(binary string, bare *Pair) error {
		for _, g := range r.scenario.Globals {
			var has []struct{ Name string }
			arguments := map[string]string{"typename": g.Type}
			if err := bare.Source.QMP().Execute(ctx, "qom-list-properties", arguments, &has); err != nil {
				return err
			}
			if slices.ContainsFunc(has, func(p struct{ Name string }) bool { return p.Name == g.Property }) {
				r.globals[binary] = append(r.globals[binary], "-global", g.Type+"."+g.Property+"="+g.Value)
			}
		}
		return nil
	})
}
