package ram

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qtest"
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
func marked(program fixtures.Program) (all []uint64) {
	end := min(uint64(program.MemoryMiB)<<20, marksEnd)
	for at := program.End; at < end-PageSize; at += marksApart * PageSize {
		all = append(all, at)
	}
	return append(all, end-PageSize)
}

// mark is the contents of one: its address all over, so that one which arrives in
// another's place differs as well.
func mark(at uint64) []byte {
	page := make([]byte, 0, PageSize)
	for n := at; len(page) < PageSize; n += 8 {
		page = binary.BigEndian.AppendUint64(page, n)
	}
	return page
}

// Mark writes marks to RAM that nobody uses, where there is nothing yet.
func Mark(ctx context.Context, q *qtest.Session, program fixtures.Program) error {
	page := make([]byte, PageSize)
	for _, at := range marked(program) {
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
