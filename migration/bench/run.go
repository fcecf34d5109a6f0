package bench

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/drover-vm/drover/launcher/probe"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
)

// A Bench is a plan, and the QEMUs that it is done with.
type Bench struct {
	Plan
	Options migration.Options // of every run; Keep, Artifacts and Known may be set, and Progress is the bench's

	// Watch, where set, is called before and after each migration, and with each step of it.
	Watch func(Event)
}

// An Event is about one migration of a bench.
type Event struct {
	Turn

	N, Of int    // which of how many, from 1 on
	Step  string // that begins; "" for an event that is not about a step
	Over  bool   // the migration
	// Of one that is over: what it cost, or why there is no sample: that it was skipped,
	// or failed.
	Sample  *stats.Sample
	Skipped string
	Failed  string
	// Dir is the folder with the artifacts of one that failed.
	Dir string
}

// fewestFailures is after how many failures a cell is not tried again.
const fewestFailures = 2

// Run does the plan. It returns what was measured also where ctx ended before all was, with
// the cause, or where no QEMU starts, with the reason; nil only for a plan that can't be done.
func (b Bench) Run(ctx context.Context) (*stats.Results, error) {
	b.Arch = cmp.Or(b.Options.Arch, b.Arch)
	if err := b.Check(); err != nil {
		return nil, err
	}
	results := &stats.Results{
		Format: stats.Format, Started: time.Now(), Seed: b.Seed, Repeats: b.Repeats, MaxTimeMS: b.MaxTime.Milliseconds(),
		Arch: b.Options.Arch, CPUs: runtime.NumCPU(), Args: slices.Concat(b.Options.Args, b.Options.SourceArgs, b.Options.DestinationArgs),
	}
	for _, c := range b.Cells {
		results.Cell(c)
	}
	if b.Options.Known == nil {
		b.Options.Known = new(probe.Known)
	}
	slowdowns, err := b.turns(ctx, results)
	results.Slowdown = stats.Summarize(slowdowns).Median
	results.Interrupted = err != nil
	results.Seconds = time.Since(results.Started).Seconds()
	results.Sort()
	return results, err
}

func (b Bench) turns(ctx context.Context, results *stats.Results) (slowdowns []float64, err error) {
	turns := b.Order()
	for i, turn := range turns {
		if ctx.Err() != nil {
			return slowdowns, context.Cause(ctx)
		}
		cell := results.Cell(turn.Cell)
		if cell.Skipped != "" || len(cell.Failures) >= fewestFailures {
			continue
		}
		event := Event{Turn: turn, N: i + 1, Of: len(turns)}
		b.tell(event)
		result, err := b.one(ctx, event)
		event.Over = true
		if err != nil {
			b.tell(event)
			return slowdowns, err
		}
		if facts := result.Record; facts != nil {
			identify(results, facts)
			if facts.Host != nil && facts.Host.Slowdown > 0 {
				slowdowns = append(slowdowns, facts.Host.Slowdown)
			}
		}
		b.take(result, cell, &event)
		b.tell(event)
	}
	return slowdowns, nil
}

func (b Bench) tell(e Event) {
	if b.Watch != nil {
		b.Watch(e)
	}
}

// one runs a cell's scenario once.
func (b Bench) one(ctx context.Context, e Event) (*record.Result, error) {
	s, err := b.Scenario(e.Cell)
	if err != nil {
		return nil, err
	}
	o := b.Options
	o.Progress = func(step string) {
		e.Step = step
		b.tell(e)
	}
	result, err := s.Run(ctx, o)
	if ctx.Err() != nil {
		if result != nil && result.Dir != "" && !o.Keep {
			_ = os.RemoveAll(result.Dir)
		}
		return nil, context.Cause(ctx)
	}
	return result, err
}

// take takes the sample from a result, into its cell and into the event.
func (b Bench) take(result *record.Result, cell *stats.CellResult, e *Event) {
	sample, err := stats.Sample{}, error(nil)
	switch {
	case result.Outcome == record.Skip:
		cell.Skipped, e.Skipped = result.Reason, result.Reason
		return
	case result.Record == nil:
		err = errors.New(result.Reason)
	default:
		sample, err = SampleOf(result.Record)
	}
	if err == nil && b.Proof {
		err = result.Err()
	}
	if err != nil {
		cell.Failures = append(cell.Failures, err.Error())
		e.Failed, e.Dir = err.Error(), result.Dir
		return
	}
	if result.Dir != "" && !b.Options.Keep {
		_ = os.RemoveAll(result.Dir) // without a proof it is not known to have passed, and so was kept
	}
	e.Sample = &sample
	if !e.WarmUp {
		cell.Samples = append(cell.Samples, sample)
	}
}

// identify notes what the QEMUs are.
func identify(results *stats.Results, facts *record.Record) {
	results.Accel = facts.Accel
	if s := facts.Source; s != nil && s.Version != "" {
		results.Source = stats.QEMU{Binary: s.Binary, Version: s.Version}
	}
	if d := facts.Destination; d != nil && d.Version != "" {
		results.Destination = stats.QEMU{Binary: d.Binary, Version: d.Version}
	}
}
