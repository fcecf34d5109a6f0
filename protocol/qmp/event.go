package qmp

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

// A Mark is a place in a session's log of events, a number: so many came before it.
// The zero Mark is its beginning, before any event.
type Mark = eventlog.Mark

// An Event is a message of QEMU that answers no command.
type Event struct {
	Name  string
	Data  json.RawMessage // nil where the event has none
	Time  time.Time       // QEMU's own, in UTC, to the microsecond; zero where QEMU had none
	Place Mark
}

// Next is the place behind the event: where to look for what came after it.
func (e Event) Next() Mark { return e.Place + 1 }

// Decode stores the event's data in the value that v points to, as the reply
// of [Session.Execute] is stored. An event without data leaves it alone.
func (e Event) Decode(v any) error {
	if e.Data == nil {
		return nil
	}
	if err := decode(e.Data, v); err != nil {
		return fmt.Errorf("qmp: data of event %s: %w", e.Name, err)
	}
	return nil
}

// Mark returns the place behind the last event that has come. An event caused
// by what is done after Mark is at it or later.
func (s *Session) Mark() Mark { return s.events.Mark() }

// Wait returns the first event from the place given on that has one of the
// names, any event where none is given. One that has come already is found;
// waiting takes nothing away from others.
//
// The error is a *LostError where events from that place on have been dropped,
// a *ClosedError where the session ended, or that of the context: it matches
// context.Canceled or context.DeadlineExceeded, and the context's cause. A context
// that has ended already makes Wait look at what has come, and not wait.
func (s *Session) Wait(ctx context.Context, from Mark, names ...string) (Event, error) {
	e, err := s.WaitFunc(ctx, from, func(e Event) bool {
		return len(names) == 0 || slices.Contains(names, e.Name)
	})
	if err != nil && len(names) > 0 {
		err = fmt.Errorf("qmp: waiting for event %s: %w", strings.Join(names, " or "), err)
	}
	return e, err
}

// WaitFunc is Wait for the first event that match accepts.
func (s *Session) WaitFunc(ctx context.Context, from Mark, match func(Event) bool) (Event, error) {
	return s.events.First(ctx, from, match)
}

// Events iterates over the events from the place given on, and waits for more.
// It ends after yielding an error, except a *LostError, after which it goes on
// with the oldest event that is left. When ctx ends, what has come by then is
// still yielded.
func (s *Session) Events(ctx context.Context, from Mark) iter.Seq2[Event, error] {
	return s.events.All(ctx, from)
}
