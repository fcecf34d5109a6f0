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
	mostMarks  = 16        // in each piece of RAM above high
	high       = 4 << 30
)

// marked are the addresses of the pages: of the RAM that the guest begins with, and of
// each piece of RAM above 4 GiB, where memory that was plugged is as well.
func marked(program fixtures.Program, all []fixtures.Range) (marks []uint64) {
	marks = marksIn(nil, fixtures.Range{Start: program.End, End: min(program.RAMEnd(), program.RAMStart+marksEnd)}, marksApart)
	for _, r := range all {
		if r.Start >= high {
			marks = marksIn(marks, r, max(marksApart, (r.End-r.Start)/PageSize/mostMarks|1))
		}
	}
	return marks
}

func marksIn(marks []uint64, r fixtures.Range, apart uint64) []uint64 {
	for at := r.Start; at < r.End-PageSize; at += apart * PageSize {
		marks = append(marks, at)
	}
	return append(marks, r.End-PageSize)
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

// Mark writes marks to RAM that nobody uses, where there is nothing yet. all is where the
// VM has RAM.
func Mark(ctx context.Context, q *qtest.Session, program fixtures.Program, all []fixtures.Range) error {
	page := make([]byte, PageSize)
	for _, at := range marked(program, all) {
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
