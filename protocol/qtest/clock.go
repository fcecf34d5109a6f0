package qtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoClock says that the guest's clock is not the client's to move.
var ErrNoClock = errors.New("the guest's clock moves by itself: only a QEMU started with -machine accel=qtest lets the client move it, and some builds have no such accelerator")

// HasClock reports whether the clock commands work, by trying one that changes
// nothing.
func (s *Session) HasClock(ctx context.Context) (bool, error) {
	_, err := s.ClockSet(ctx, 0)
	if errors.Is(err, ErrNoClock) {
		return false, nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return true, nil // newer servers refuse to go back to 0, as they should
	}
	return err == nil, err
}

// ClockStep moves the guest's virtual clock on and runs the timers that fall due,
// and returns its time then. The error wraps [ErrNoClock] where the
// accelerator is not qtest.
func (s *Session) ClockStep(ctx context.Context, by time.Duration) (time.Duration, error) {
	return s.moveClock(ctx, "clock_step", by)
}

// ClockStepNext moves the guest's virtual clock on to the next timer and runs
// it, and returns the clock's time then. Where no timer is set, newer servers
// answer with an *Error.
func (s *Session) ClockStepNext(ctx context.Context) (time.Duration, error) {
	return s.clock(ctx, words("clock_step"))
}

// ClockSet moves the guest's virtual clock on to a time since its start, and
// returns its time then. It never goes back: newer servers answer that
// with an *Error, older ones with the time it is.
func (s *Session) ClockSet(ctx context.Context, to time.Duration) (time.Duration, error) {
	return s.moveClock(ctx, "clock_set", to)
}

func (s *Session) moveClock(ctx context.Context, command string, t time.Duration) (time.Duration, error) {
	if t < 0 {
		return 0, &ArgumentError{command, "time", t.String(), "is negative, and the clock never goes back"}
	}
	return s.clock(ctx, numbers(command, uint64(t)))
}

func (s *Session) clock(ctx context.Context, q request) (time.Duration, error) {
	v, err := s.one(ctx, wantNumber, q)
	if refused, ok := errors.AsType[*Error](err); ok && strings.HasPrefix(refused.Text, "Unknown command") {
		return 0, fmt.Errorf("%w (%w)", err, ErrNoClock)
	}
	return time.Duration(v), err
}
