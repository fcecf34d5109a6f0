package migration

import (
	"bytes"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// pageSize is the unit in which memory is compared before it is looked at byte
// by byte; it has nothing to do with the guest's own.
const pageSize = 4096

var zeroPage [pageSize]byte // never written

// CompareMemory copies the RAM of both sides, both stopped, and gathers what
// the workload's range holds on the destination and what differs elsewhere.
func CompareMemory() Step {
	return Step{Name: "compare the memory", Do: func(ctx context.Context, p *Pair) error {
		began := time.Now()
		size := uint64(p.Program.MemoryMiB) << 20
		var source, destination *launcher.Dump
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) { source, err = p.Source.Dump(gctx, 0, size); return })
		g.Go(func() (err error) { destination, err = p.Destination.Dump(gctx, 0, size); return })
		err := g.Wait()
		for _, d := range []*launcher.Dump{source, destination} {
			if d != nil {
				defer func() { _ = d.Close() }()
			}
		}
		if err != nil {
			return err
		}
		copied := time.Since(began)
		p.Facts.Workload = readWorkload(p.Program, destination.Bytes)
		p.Facts.Memory = compareOutside(p.Program, source.Bytes, destination.Bytes)
		p.Facts.Memory.CopySeconds = copied.Seconds()
		p.Facts.Memory.CompareSeconds = (time.Since(began) - copied).Seconds()
		return nil
	}}
}

// readWorkload gathers what the workload's range holds.
func readWorkload(program fixtures.Program, ram []byte) *record.WorkloadFacts {
	facts := &record.WorkloadFacts{Range: program.Workload(), Stride: program.Stride}
	var run record.Run
	keep := func() {
		switch {
		case run.Pages == 0:
		case len(facts.Runs) < record.MaxListed:
			facts.Runs = append(facts.Runs, run)
		default:
			facts.More++
		}
	}
	for at := program.Start; at < program.End; at += program.Stride {
		page := ram[at:min(at+program.Stride, program.End)]
		if facts.Pages++; run.Pages == 0 || page[0] != run.Value {
			keep()
			run = record.Run{Address: at, Value: page[0]}
		}
		run.Pages++
		if len(page) <= pageSize && bytes.Equal(page[1:], zeroPage[:len(page)-1]) {
			continue
		}
		for i, b := range page[1:] {
			if b != 0 {
				if facts.StrayTotal++; len(facts.Stray) < record.MaxListed {
					facts.Stray = append(facts.Stray, record.Reading{Address: at + 1 + uint64(i), Value: b})
				}
			}
		}
	}
	keep()
	return facts
}

// compareOutside gathers the differences outside of the workload's range and
// of what the program's own firmware keeps writing.
func compareOutside(program fixtures.Program, source, destination []byte) *record.MemoryFacts {
	facts := &record.MemoryFacts{Size: uint64(len(source)), Left: program.Scratch}
	left := append([]fixtures.Range{program.Workload()}, program.Scratch...)
	for at := uint64(0); at < uint64(len(source)); {
		stop := min(at-at%pageSize+pageSize, uint64(len(source)))
		if skip := within(left, at); skip > at {
			at = skip
			continue
		}
		for _, r := range left {
			if r.Start > at && r.Start < stop {
				stop = r.Start
			}
		}
		facts.Compared += stop - at
		if !bytes.Equal(source[at:stop], destination[at:stop]) {
			noteDifferences(facts, at, source[at:stop], destination[at:stop])
		}
		at = stop
	}
	return facts
}

// within returns the end of the range that holds the address, 0 where none does.
func within(ranges []fixtures.Range, address uint64) uint64 {
	for _, r := range ranges {
		if address >= r.Start && address < r.End {
			return r.End
		}
	}
	return 0
}

func noteDifferences(f *record.MemoryFacts, at uint64, source, destination []byte) {
	for i := range source {
		if source[i] != destination[i] {
			if f.DifferentTotal++; len(f.Different) < record.MaxListed {
				f.Different = append(f.Different, record.Difference{Address: at + uint64(i), Source: source[i], Destination: destination[i]})
			}
		}
	}
}

// NothingMoves gathers whether anything changes on the destination, which has
// been stopped, and whether the source still stands. It reads the byte of each
// page of the workload twice, and lets a pass of the workload's own time go by
// in between.
func NothingMoves() Step {
	return Step{Name: "see that nothing moves", Do: func(ctx context.Context, p *Pair) error {
		status, err := qapi.QueryStatus(ctx, p.Destination.QMP())
		if err != nil {
			return err
		}
		facts := &record.StillnessFacts{Status: status.Status, Running: status.Running}
		p.Facts.Stillness = facts
		addresses := slices.Collect(p.Program.Addresses())
		began := time.Now()
		before, err := p.Destination.QTest().ReadEach(ctx, addresses)
		if err != nil {
			return err
		}
		after, err := p.Destination.QTest().ReadEach(ctx, addresses)
		if err != nil {
			return err
		}
		facts.Seconds, facts.Pages = time.Since(began).Seconds(), len(addresses)
		for i := range addresses {
			if before[i] != after[i] {
				if facts.Changed++; facts.Changed == 1 {
					facts.First, facts.Before, facts.After = addresses[i], before[i], after[i]
				}
			}
		}
		return p.sourceAtEnd(ctx)
	}}
}

// sourceAtEnd gathers what has become of the source since the completion.
func (p *Pair) sourceAtEnd(ctx context.Context) error {
	stand := p.Facts.Stand
	if stand == nil {
		return nil
	}
	status, err := qapi.QueryStatus(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	stand.StatusAtEnd, stand.RunningEnd = status.Status, status.Running
	stand.After, err = p.counter(ctx, p.Source)
	return err
}
