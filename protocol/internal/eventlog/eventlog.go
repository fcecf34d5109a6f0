package eventlog

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/drover-vm/drover/internal/ended"
)

// DefaultBound is how many entries a log keeps where the bound given is 0.
const DefaultBound = 4096

// A Mark is a place in a log: the number of entries that came before it. The
// zero Mark is the very beginning.
type Mark uint64

// LostError says that a reader asked for a place whose entries have been
// dropped, because the log keeps only so many.
type LostError struct {
	Lost uint64 // how many entries were dropped between the place asked for and Next
	Next Mark   // the oldest place still there: go on from here
}

func (e *LostError) Error() string {
	if e.Lost == 1 {
		return fmt.Sprintf("an event was dropped before it was read; go on from place %d, or keep a longer log", e.Next)
	}
	return fmt.Sprintf("%d events were dropped before they were read; go on from place %d, or keep a longer log", e.Lost, e.Next)
}

// A Log is safe for concurrent use by one or more writers and any number of
// readers. Append never blocks.
type Log[T any] struct {
	mu     sync.Mutex
	ring   []T // grows up to bound, then is written round and round
	bound  int
	count  uint64 // entries ever appended
	oldest uint64 // the first that is left
	more   chan struct{}
	end    error

	weigh  func(T) int // nil where entries weigh nothing
	weight int         // of those that are left
	most   int
}

// New returns an empty log that keeps the last bound entries, DefaultBound
// where bound is not above 0. The bound is a number of entries, whatever their
// size, and takes no memory before they come.
func New[T any](bound int) *Log[T] {
	if bound <= 0 {
		bound = DefaultBound
	}
	return &Log[T]{bound: bound}
}

// Weigh bounds the log by what its entries weigh together, too: entries are
// dropped when they weigh more than most, except the newest. It has to be
// called before the first entry.
func (l *Log[T]) Weigh(most int, weigh func(T) int) { l.most, l.weigh = most, weigh }

// Append makes the entry for its place, and wakes the waiters. The function is called with the log locked: it must not call back.
// After End nothing is appended, and the function not called.
func (l *Log[T]) Append(entry func(Mark) T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		return
	}
	v := entry(Mark(l.count))
	if l.count-l.oldest == uint64(l.bound) {
		l.drop()
	}
	if len(l.ring) < l.bound {
		l.ring = append(l.ring, v)
	} else {
		l.ring[l.count%uint64(l.bound)] = v
	}
	l.count++
	if l.weigh != nil {
		for l.weight += l.weigh(v); l.weight > l.most && l.count-l.oldest > 1; {
			l.drop()
		}
	}
	l.wake()
}

// drop forgets the oldest entry, and frees its memory.
func (l *Log[T]) drop() {
	slot := &l.ring[l.oldest%uint64(l.bound)]
	if l.weigh != nil {
		l.weight -= l.weigh(*slot)
	}
	*slot = *new(T)
	l.oldest++
}

// End closes the log: readers get what is left in it and then err, io.EOF where
// that is nil. Only the first call counts.
func (l *Log[T]) End(err error) {
	if err == nil {
		err = io.EOF
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = err
		l.wake()
	}
}

func (l *Log[T]) wake() {
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// Mark returns the place behind the last entry: what arrives from now on
// is at it or after it.
func (l *Log[T]) Mark() Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Mark(l.count)
}

// At returns the entry at the place given, and waits for it where it has not
// arrived. The error is a *LostError where it has been dropped, the error
// given to End where it will never arrive, or that of the context, with its cause. An entry that
// is there is returned even where the context has ended.
func (l *Log[T]) At(ctx context.Context, place Mark) (T, error) {
	for {
		v, more, err := l.try(place)
		if err != nil || more == nil {
			return v, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return v, ended.By(ctx)
		}
	}
}

// try is At without the wait; more is closed when it is worth another try.
func (l *Log[T]) try(place Mark) (v T, more <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := Mark(l.oldest)
	switch {
	case place < oldest:
		return v, nil, &LostError{Lost: uint64(oldest - place), Next: oldest}
	case place < Mark(l.count):
		return l.ring[uint64(place)%uint64(l.bound)], nil, nil
	case l.end != nil:
		return v, nil, l.end
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return v, l.more, nil
}
