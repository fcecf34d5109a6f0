package guest

import (
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// Heard is what came from a side.
type Heard struct {
	Beats       int
	FirstBeat   uint64 // its number; 0 where none came
	LastBeat    uint64
	First, Last time.Time     // when the first and the last beat came
	Longest     time.Duration // between two of them
	Lines       int
	// Zero is when the guest's clock was 0, by the line that came soonest after it was written:
	// the guest's clock may be ahead of that by what the line took. It is zero before one came.
	Zero time.Time
}

// WorkerState is what a worker has said.
type WorkerState struct {
	Counts     wire.Counts
	Side       string // where it was when it said the counts
	Complaints []string
	Total      int // of complaints
}

// mostComplaints are kept of a worker.
const mostComplaints = 16

// A stream is one side's bytes.
type stream struct {
	begun bool
	head  []byte // before its first line: the end of a line that began on the other side
	rest  []byte // behind its last: the beginning of one
}

// stamped notes when a line came that the guest wrote at that time of its clock.
func (h *Heard) stamped(written time.Duration, came time.Time) {
	if zero := came.Add(-written); h.Zero.IsZero() || zero.Before(h.Zero) {
		h.Zero = zero
	}
}

func (h *Heard) beat(n uint64, at time.Time) {
	if h.Beats++; h.Beats == 1 {
		h.FirstBeat, h.First = n, at
	} else {
		h.Longest = max(h.Longest, at.Sub(h.Last))
	}
	h.LastBeat, h.Last = n, at
}
