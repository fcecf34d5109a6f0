// Package ended says why a context has ended.
package ended

import (
	"context"
	"errors"
	"fmt"
)

// By returns the error of a context that has ended: what it always returns
// (errors.Is with context.Canceled or context.DeadlineExceeded) and, where that is
// something else, its cause. It is nil while the context goes on.
func By(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}
