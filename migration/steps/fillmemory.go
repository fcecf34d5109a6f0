package steps

import (
	"context"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// Data is in pieces, each followed by 15 of zero: a host backs memory by pieces of this
// size, and what holds nothing costs it nothing.
const (
	filledPiece  = 2 << 20 // bytes
	filledEvery  = 16
	filledValues = 32 // that a piece has, one after another
)

// filled is how many bytes of data the memory was filled with.
var filled migration.Slot[uint64]

// FillMemory writes data to a part of the memory above the workload's.
func FillMemory() migration.Step {
	return migration.Step{Name: "fill memory", Wants: []string{"boot"}, Timeout: 2 * migration.StepTimeout, Do: func(ctx context.Context, p *migration.Pair) error {
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		const part = filledPiece / filledValues
		batch := p.Source.QTest().Batch()
		for _, r := range memory.RAM() {
			for at := max(r.Start, p.Program.End); at+filledPiece <= r.End; at += filledPiece * filledEvery {
				for n := at; n < at+filledPiece; n += part {
					batch.Memset(n, part, byte(n/part%255)+1)
				}
				*filled.Of(p) += filledPiece
			}
		}
		return batch.Do(ctx)
	}}
}

// ExpectDataSent gathers how much went over the link: the pages that hold data, those of
// the workload once a pass, and little for those that are zero.
func ExpectDataSent() migration.Step {
	return migration.Step{Name: "expect data-sent", Wants: []string{"fill memory", "tap", "migrate"}, Gathers: []record.Fact{record.FactLink}, Do: func(ctx context.Context, p *migration.Pair) error {
		if err := drain(ctx, p); err != nil {
			return err
		}
		if p.Facts.Migration == nil {
			return errNoMigration
		}
		sent := float64(0)
		for _, c := range p.Facts.Link.Connections {
			sent += float64(c.Forward)
		}
		data := float64(*filled.Of(p))
		zero := data * filledEvery / ram.PageSize * 9 // 9 bytes at most for a page that is zero
		workload := float64(p.Program.Count()*ram.PageSize) * float64(p.Facts.Migration.Passes+1)
		p.Measure("sent over the link", sent, "bytes", record.Between(data, data+zero+workload+64*MB))
		return nil
	}}
}
