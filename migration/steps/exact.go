package steps

import (
	"context"
	"errors"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// What arrives is held against what left, before the guest can change any of it.
func exactVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect equal-memory",
			Doc:     "Every byte of the guest's memory is the same on both sides; the guest must have stopped on the source and not run yet on the destination.",
			Example: "expect equal-memory", Step: do(ExpectEqualMemory),
		},
		{
			Name:    "expect equal-registers",
			Doc:     "The registers of all vCPUs are the same on both sides, as the human monitor prints them; the guest must not have run yet on the destination.",
			Example: "expect equal-registers", Step: do(ExpectEqualRegisters),
		},
		{
			Name:    "expect canaries",
			Doc:     "Registers of the destination's devices hold the values that were written to them when the guest had booted.",
			Example: "expect canaries", Step: do(ExpectCanaries),
		},
	}
}

// errNoDestination says that a step is about a destination that was never started.
var errNoDestination = errors.New("there is no destination yet")

// onArrival is a step that wants the guest to have arrived on a destination that does not
// run it.
func onArrival(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	s := onDestination(name, do)
	s.Wants = []string{"await arrival"}
	return s
}

// onDestination is a step that needs a destination.
func onDestination(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return step(name, func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil {
			return errNoDestination
		}
		return do(ctx, p)
	})
}

// ofBoth asks the source, then the destination.
func ofBoth[T any](ctx context.Context, p *migration.Pair, ask func(context.Context, *migration.Side) (T, error)) (source, destination T, err error) {
	if source, err = ask(ctx, p.Source); err == nil {
		destination, err = ask(ctx, p.Destination)
	}
	return source, destination, err
}

// ExpectEqualMemory gathers what differs anywhere in the memory of both sides, where the
// guest has stopped on the source and has not run yet on the destination.
func ExpectEqualMemory() migration.Step {
	return gathering(record.FactExact, onArrival("expect equal-memory", func(ctx context.Context, p *migration.Pair) error {
		began := time.Now()
		both, err := ram.Open(ctx, p.Program, p.Source.VM, p.Destination.VM)
		if err != nil {
			return err
		}
		defer both.Close()
		facts := &record.MemoryFacts{}
		p.Facts.Exact = facts
		err = both.Walk(func(at uint64, pages [][]byte) {
			facts.Size += ram.PageSize
			ram.Compare(facts, at, pages[0], pages[1])
		})
		facts.Seconds = time.Since(began).Seconds()
		return err
	}))
}

// ExpectEqualRegisters gathers which of the vCPUs' registers differ, where the guest
// has not run yet on the destination. It takes them as the human monitor prints them.
func ExpectEqualRegisters() migration.Step {
	return gathering(record.FactRegisters, onArrival("expect equal-registers", func(ctx context.Context, p *migration.Pair) error {
		var printed [2]string
		for i, s := range []*migration.Side{p.Source, p.Destination} {
			text, err := qapi.HumanMonitor(ctx, s.QMP(), "info registers -a")
			if err != nil {
				return err
			}
			printed[i] = text
		}
		p.Facts.Registers = record.CompareRegisters(printed[0], printed[1])
		return nil
	}))
}

// ExpectCanaries gathers what has become on the destination of the values that were
// written to devices' registers when the guest had booted.
func ExpectCanaries() migration.Step {
	return onArrival("expect canaries", migration.ReadCanaries().Do)
}
