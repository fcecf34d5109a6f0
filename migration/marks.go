package migration

import (
	"bytes"
	"context"
	"encoding/binary"
)

// RAM above the workload's is zero on a PC, but for what firmware keeps there, and where a page of
// zeros is lost nothing is missing. So a page here and there is marked before the guest
// moves, the last one too, and is compared like all other memory.
//
// Few will do: where one is written the host backs 2 MiB, on both sides.
const (
	marksApart = 3061      // pages; no multiple of what a bitmap's word or a channel's packet holds
	marksEnd   = 256 << 20 // larger guests have data of their own
)

// marked are the addresses of the pages.
func (p *Pair) marked() (all []uint64) {
	end := min(uint64(p.Program.MemoryMiB)<<20, marksEnd)
	for at := p.Program.End; at < end-pageSize; at += marksApart * pageSize {
		all = append(all, at)
	}
	return append(all, end-pageSize)
}

// mark is what stands in one: its address all over, so that one which arrives in
// another's place differs as well.
func mark(at uint64) []byte {
	page := make([]byte, 0, pageSize)
	for n := at; len(page) < pageSize; n += 8 {
		page = binary.BigEndian.AppendUint64(page, n)
	}
	return page
}

// plantMarks writes them on the source, where there is nothing yet. Other machines'
// firmware goes on using RAM that holds zeros.
func (p *Pair) plantMarks(ctx context.Context) error {
	if !isPC(p.Facts.Arch) {
		return nil
	}
	q, page := p.Source.QTest(), make([]byte, pageSize)
	for _, at := range p.marked() {
		if err := q.ReadMemory(ctx, at, page); err != nil {
			return err
		}
		if !bytes.Equal(page, zeroPage[:]) {
			continue
		}
		if err := q.WriteMemory(ctx, at, mark(at)); err != nil {
			return err
		}
	}
	return nil
}
