package migration

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration/record"
)

// Larger guests, a part of whose memory holds data.
func scale() []Scenario {
	var all []Scenario
	for _, gib := range []int{1, 2, 4} {
		all = append(all, Scenario{
			Name:      fmt.Sprintf("scale/%dGiB", gib),
			Doc:       fmt.Sprintf("a guest with %d GiB, a sixteenth of it data", gib),
			Needs:     []Need{PC},
			MemoryMiB: gib << 10,
			Story: Steps{
				unhurried(), Set(MaxBandwidth, 2*GB),
				Boot(), FillMemory(), Listen(Unix), Tap(), Migrate(), AwaitPass(1).Allow(2 * StepPatience),
				atAnyDowntime(), AwaitSwitchover(), SeeDataSent(),
			},
		})
	}
	return all
}

// Data lies in stretches, each in as many of zero: a host backs memory by pieces of this
// size, and what holds nothing costs it nothing.
const (
	stretch       = 2 << 20
	stretchApart  = 16
	stretchPieces = 32 // each holds a value of its own
)

// FillMemory writes data to a part of the memory above the workload's.
func FillMemory() Step {
	return Step{Name: fmt.Sprintf("fill every %dth stretch of 2 MiB", stretchApart), Within: 2 * StepPatience, Do: func(ctx context.Context, p *Pair) error {
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		const piece = stretch / stretchPieces
		batch := p.Source.QTest().Batch()
		for _, r := range memory.RAM() {
			for at := max(r.Start, p.Program.End); at+stretch <= r.End; at += stretch * stretchApart {
				for n := at; n < at+stretch; n += piece {
					batch.Memset(n, piece, byte(n/piece%255)+1)
				}
				p.filled += stretch
			}
		}
		return batch.Do(ctx)
	}}
}

// SeeDataSent gathers how much went over the link: the pages that hold data, those of
// the workload once a pass, and little for those that are zero.
func SeeDataSent() Step {
	return Step{Name: "see how much was sent", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		sent := float64(0)
		for _, c := range p.Facts.Link.Connections {
			sent += float64(c.Forward)
		}
		data := float64(p.filled)
		zero := data * stretchApart / pageSize * 9 // 9 bytes at most for a page that is zero
		workload := float64(p.Program.Count()*pageSize) * float64(p.Facts.Migration.Passes+1)
		p.measure("sent over the link", sent, "bytes", record.Between(data, data+zero+workload+64*MB))
		return nil
	}}
}
