package link

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// A Fault is what becomes of a flow at one of its bytes.
type Fault struct {
	// After are bytes behind whose first occurrence At counts. Empty means that it
	// counts from where the flow is when the fault is put there.
	After string
	At    int64 // how many bytes pass unchanged; the next one is hit
	Kind  Kind
}

func (f Fault) String() string {
	if f.After != "" {
		return fmt.Sprintf("%s at byte %d behind %q", f.Kind, f.At, f.After)
	}
	return fmt.Sprintf("%s at byte %d", f.Kind, f.At)
}

// A Kind is what a fault does.
type Kind string

const (
	Cut      Kind = "cut"       // both connections are closed
	Reset    Kind = "reset"     // both connections are broken off
	Truncate Kind = "truncated" // the flow ends as if that was all; what still comes is dropped
	Flip     Kind = "changed"   // all bits of the byte are inverted
	Stall    Kind = "stalled"   // nothing passes, in either direction, until Link.Release
)

var errTruncated = errors.New("the flow is truncated")

// to injects it into a link. Flip concerns a byte, and leaves the link as it is.
func (k Kind) to(l *Link) error {
	switch k {
	case Cut:
		l.Cut()
		return errCut
	case Reset:
		l.Reset()
		return errCut
	case Truncate:
		return errTruncated
	case Stall:
		l.Stall()
	}
	return nil
}

// Inject puts a fault into the flow, in place of one that has not happened yet. The
// moment at which it happens comes over the channel.
func (f *Flow) Inject(fault Fault) <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aim = &aim{fault: fault, left: fault.At, found: fault.After == "", at: make(chan time.Time, 1)}
	return f.aim.at
}

// aimed looks whether the fault's place is in the bytes that come next, and behind
// how many of them. A fault that was found is removed from the flow.
func (f *Flow) aimed(data []byte) (before int, hit *aim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.aim == nil {
		return 0, nil
	}
	before, found := f.aim.in(data)
	if !found {
		return 0, nil
	}
	hit, f.aim = f.aim, nil
	return before, hit
}

// An aim is a fault on its way to its place.
type aim struct {
	fault Fault
	left  int64  // bytes that still pass, once found
	found bool   // what the place is counted from
	tail  []byte // the last bytes that passed, among which After may have begun
	at    chan time.Time
}

func (a *aim) happened() { a.at <- time.Now() }

// in returns behind how many bytes of data the place lies, if it lies there.
func (a *aim) in(data []byte) (before int, hit bool) {
	from := 0
	if !a.found {
		text := append(a.tail, data...)
		begin := bytes.Index(text, []byte(a.fault.After))
		if begin < 0 {
			a.tail = bytes.Clone(text[max(0, len(text)-len(a.fault.After)+1):])
			return 0, false
		}
		a.found = true
		from = begin + len(a.fault.After) - len(a.tail)
	}
	if behind := int64(len(data) - from); a.left >= behind {
		a.left -= behind
		return 0, false
	}
	return from + int(a.left), true
}
