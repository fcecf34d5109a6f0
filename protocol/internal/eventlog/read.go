package eventlog

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/drover-vm/drover/internal/ended"
)

// All iterates over the entries from the place given on, and waits for more.
// It ends after yielding an error, except a *LostError, after which it goes on
// with the oldest entry that is left.
//
// When the context ends, the entries that have come by then are still yielded, and
// then its error and cause: a writer that never rests can't keep a reader from ending, and
// a context that has ended already makes a way to take what is there without a wait.
func (l *Log[T]) All(ctx context.Context, from Mark) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		place, last := from, Mark(math.MaxUint64)
		for {
			if ctx.Err() != nil {
				last = min(last, l.Mark())
			}
			var entry T
			err := ended.By(ctx)
			if place < last {
				entry, err = l.At(ctx, place)
			}
			if !yield(entry, err) {
				return
			}
			if lost, ok := errors.AsType[*LostError](err); ok {
				place = lost.Next
			} else if err != nil {
				return
			} else {
				place++
			}
		}
	}
}

// First returns the first entry from the place given on that match accepts, any
// where match is nil, and waits for it. Errors are those of [Log.At]; a
// *LostError ends the search, for the entry looked for may be among the lost.
// The log is not locked while match runs.
func (l *Log[T]) First(ctx context.Context, from Mark, match func(T) bool) (T, error) {
	for entry, err := range l.All(ctx, from) {
		if err != nil || match == nil || match(entry) {
			return entry, err
		}
	}
	panic("eventlog: All ended without an error") // it does not
}
