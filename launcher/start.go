package launcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A SlowStartError says that a QEMU was given all the time that its start may take
// (Config.StartTimeout), and still did not answer. It has been killed.
type SlowStartError struct {
	Name    string // the guest's name
	Binary  string // what was run
	Took    time.Duration
	Missing string // what had not answered: "monitor" or "qtest server"
	Output  string // the end of its error output
	Cause   error  // what the session met: matches context.DeadlineExceeded
}

func (e *SlowStartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "launcher: %s", e.Binary)
	if e.Name != defaultName {
		fmt.Fprintf(&b, " (%s)", e.Name)
	}
	took := e.Took.Round(time.Millisecond)
	if took >= time.Second {
		took = took.Round(100 * time.Millisecond)
	}
	fmt.Fprintf(&b, " took %v to start, and its %s has still not answered: it hangs, is no QEMU, or needs a longer Config.StartTimeout", took, e.Missing)
	if output := lastLines(e.Output, 3); output != "" {
		fmt.Fprintf(&b, "; its output: %s", output)
	}
	return b.String()
}

// Unwrap returns Cause.
func (e *SlowStartError) Unwrap() error { return e.Cause }

var errStillStarting = errors.New("the time for its start is over")

// start does what starts the VM within the time that this may take.
func (v *VM) start(ctx context.Context, do func(start context.Context) error) error {
	v.startBegan = time.Now()
	start, cancel := context.WithTimeoutCause(ctx, v.config.StartTimeout, errStillStarting)
	defer cancel()
	err := do(start)
	v.startTook = time.Since(v.startBegan)
	return err
}

// startError makes of what a session met the sentence that says why there is
// no VM.
func (v *VM) startError(start context.Context, missing string, err error) error {
	took := time.Since(v.startBegan)
	if exit, ok := errors.AsType[*ExitError](v.explain(err)); ok && exit.State != nil {
		exit.When = "before its " + missing + " answered"
		return exit
	}
	switch {
	case errors.Is(context.Cause(start), errStillStarting):
		return &SlowStartError{
			Name: v.config.Name, Binary: v.binary, Took: took, Missing: missing,
			Output: v.stderr.String(), Cause: err,
		}
	case start.Err() != nil:
		return fmt.Errorf("launcher: %s was still starting, its %s had not answered: %w", v.binary, missing, ended.By(start))
	}
	if output := lastLines(v.stderr.String(), 3); output != "" {
		return fmt.Errorf("launcher: %s was started but did not answer: %w; its output: %s", v.binary, err, output)
	}
	hint := ""
	if _, other := errors.AsType[*qmp.ProtocolError](err); other {
		hint = "; is it QEMU?"
	}
	return fmt.Errorf("launcher: %s was started but did not answer: %w%s", v.binary, err, hint)
}
