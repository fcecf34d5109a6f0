package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// Larger guests, a part of whose memory holds data.
func scale() []Scenario {
	var all []Scenario
	for _, gib := range []int{1, 2, 4} {
		all = append(all, Scenario{
			Name:      fmt.Sprintf("scale/%dGiB", gib),
			Doc:       fmt.Sprintf("a guest with %d GiB, every 16th page of it data", gib),
			Needs:     []Need{PC},
			MemoryMiB: gib << 10,
			Story: Steps{
				unhurried(), Set(MaxBandwidth, 2*GB),
				Boot(), FillMemory(16), Listen(Unix), Tap(), Migrate(), AwaitPass(1).Allow(time.Duration(1+gib) * StepPatience),
				letConverge(), AwaitSwitchover(), SeeDataSent(16),
			},
		})
	}
	return all
}

// FillMemory gives one page in so many of those above the workload's a value of its
// own, and leaves the others zero.
func FillMemory(apart uint64) Step {
	return Step{Name: fmt.Sprintf("fill every %dth page", apart), Within: 30 * time.Second, Do: func(ctx context.Context, p *Pair) error {
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		batch := p.Source.QTest().Batch()
		for _, r := range memory.RAM() {
			for at := max(r.Start, p.Program.End); at < r.End; at += apart * pageSize {
				batch.Memset(at, pageSize, byte(at/pageSize/apart%255)+1)
				p.filled++
				if batch.Len() == fillBatch {
					if err := batch.Do(ctx); err != nil {
						return err
					}
					batch = p.Source.QTest().Batch()
				}
			}
		}
		return batch.Do(ctx)
	}}
}

// fillBatch is how many pages are written before the replies are looked at.
const fillBatch = 1024

// SeeDataSent gathers how much went over the link: the pages that hold data, those of
// the workload once a pass, and little for those that are zero.
func SeeDataSent(apart uint64) Step {
	return Step{Name: "see how much was sent", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		sent := float64(0)
		for _, c := range p.Facts.Link.Connections {
			sent += float64(c.Forward)
		}
		data := float64(p.filled * pageSize)
		zero := data * float64(apart) / pageSize * 9 // 9 bytes at most for a page that is zero
		workload := float64(p.Program.Count()*pageSize) * float64(p.Facts.Migration.Passes+1)
		p.measure("sent over the link", sent, "bytes", record.Between(data, data+zero+workload+64*MB))
		return nil
	}}
}
