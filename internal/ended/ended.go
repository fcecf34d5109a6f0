// Package ended says why a context has ended.
package ended

import (
	"context"
	"errors"
)

// By returns the error of a context that has ended, nil while it goes on. It matches
// (errors.Is) what the context always returns, context.Canceled or
// context.DeadlineExceeded, and the cause that it was given, where there is one; its
// text is the cause's, which says more.
func By(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, ctx.Err()) {
		return cause
	}
	return &ended{always: ctx.Err(), cause: cause}
}

type ended struct{ always, cause error }

func (e *ended) Error() string   { return e.cause.Error() }
func (e *ended) Unwrap() []error { return []error{e.always, e.cause} }
