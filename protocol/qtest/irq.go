package qtest

import (
	"context"
	"iter"
	"time"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

// A Mark is a place in a session's log of IRQ changes, a number: so many came before it.
// The zero Mark is its beginning.
type Mark = eventlog.Mark

// LostError says that IRQ changes were dropped before they were read, because
// the log keeps only so many (see Options.EventLog). Lost is their number (uint64), Next
// the Mark of the oldest that is left.
type LostError = eventlog.LostError

// An IRQ is one change of an intercepted interrupt line.
type IRQ struct {
	Line   int
	Raised bool
	Time   time.Time // when it arrived here
	Place  Mark      // its place in the log
}

// Next returns the place behind the change: look from there for what came after it.
func (i IRQ) Next() Mark { return i.Place + 1 }

// Mark returns the place in the log behind the last IRQ change that has arrived.
// Take it before doing what causes an interrupt, then wait from it.
func (s *Session) Mark() Mark { return s.irqs.Mark() }

// WaitIRQ returns the first IRQ change at or after a place that match accepts;
// a nil match accepts any. The error is a *LostError where changes after
// from have been dropped, that of the context and its cause, or a *ClosedError.
func (s *Session) WaitIRQ(ctx context.Context, from Mark, match func(IRQ) bool) (IRQ, error) {
	return s.irqs.First(ctx, from, match)
}

// IRQs yields the IRQ changes from a place on, in order, and waits for more. It ends
// after the first error, except for a *LostError: after that it may go on, from
// the oldest change there is.
func (s *Session) IRQs(ctx context.Context, from Mark) iter.Seq2[IRQ, error] {
	return s.irqs.All(ctx, from)
}
