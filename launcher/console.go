package launcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"
)

// consoleKept is how much of a console stays in memory. A guest that talks
// more than that loses its oldest words there, not in the file in Config.Dir.
const consoleKept = 1 << 20

// A Console records what a guest writes to its first serial port, from its
// first byte on, and never holds the guest up. Places are counted in bytes
// since the start, so a wait sees what came before it began. It is safe for
// concurrent use.
type Console struct {
	in io.Writer

	mu      sync.Mutex
	kept    []byte
	dropped int64 // bytes before kept[0]
	last    time.Time
	more    chan struct{}
	end     error
}

// ConsoleError says that a console ended, or the caller's patience did, before
// what was waited for came. Tail is the end of what did come.
type ConsoleError struct {
	Waiting string // what for
	Tail    string
	Cause   error
}

func (e *ConsoleError) Error() string {
	seen := "nothing at all"
	if e.Tail != "" {
		seen = fmt.Sprintf("%q at its end", e.Tail)
	}
	return fmt.Sprintf("waiting for %s on the console, which says %s: %v", e.Waiting, seen, e.Cause)
}

func (e *ConsoleError) Unwrap() error { return e.Cause }

func newConsole(in io.Writer) *Console {
	return &Console{in: in, more: make(chan struct{})}
}

// record reads the guest's words until there are no more; keep gets a copy.
func (c *Console) record(from io.Reader, keep io.Writer) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			c.append(buf[:n])
			if keep != nil {
				_, _ = keep.Write(buf[:n]) // a full disk costs the copy, not the guest
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *Console) append(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, p...)
	if extra := len(c.kept) - consoleKept; extra > consoleKept/4 {
		c.kept = append(c.kept[:0], c.kept[extra:]...)
		c.dropped += int64(extra)
	}
	c.last = time.Now()
	c.wake()
}

// finish tells all who wait that nothing more will come, and why.
func (c *Console) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.end = err
		c.wake()
	}
}

func (c *Console) wake() {
	close(c.more)
	c.more = make(chan struct{})
}

// Mark returns the place behind the last byte seen: the number of bytes that
// the guest has written so far.
func (c *Console) Mark() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped + int64(len(c.kept))
}

// Since returns what the guest wrote from the place given on, as far as it is
// still kept (1 MiB is).
func (c *Console) Since(from int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.since(from))
}

func (c *Console) since(from int64) []byte {
	return c.kept[min(max(from-c.dropped, 0), int64(len(c.kept))):]
}

// LastOutput returns when the guest's last byte arrived here; the zero time
// where none has.
func (c *Console) LastOutput() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Write sends bytes to the guest, as if typed.
func (c *Console) Write(p []byte) (int, error) { return c.in.Write(p) }

// Wait returns once the text has been written from the place given on, with
// the place behind it. It ends with a *ConsoleError where the context or the
// console ends first.
func (c *Console) Wait(ctx context.Context, from int64, text string) (int64, error) {
	return c.WaitMatch(ctx, from, regexp.MustCompile(regexp.QuoteMeta(text)))
}

// WaitMatch is Wait for a regular expression.
func (c *Console) WaitMatch(ctx context.Context, from int64, pattern *regexp.Regexp) (int64, error) {
	return c.WaitFunc(ctx, from, pattern.String(), func(said []byte) (int, error) {
		if at := pattern.FindIndex(said); at != nil {
			return at[1], nil
		}
		return -1, nil
	})
}

// WaitFunc calls match with everything written from the place given on, each
// time there is more of it, until match returns the length of what satisfied
// it (anything but -1) or an error. The bytes are match's only for the call.
// what names the thing waited for in a *ConsoleError.
func (c *Console) WaitFunc(ctx context.Context, from int64, what string, match func(said []byte) (int, error)) (int64, error) {
	for {
		c.mu.Lock()
		start := max(from, c.dropped)
		n, err := match(c.since(start))
		more, end := c.more, c.end
		c.mu.Unlock()
		switch {
		case err != nil:
			return 0, c.failed(what, err)
		case n >= 0:
			return start + int64(n), nil
		case end != nil:
			return 0, c.failed(what, end)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return 0, c.failed(what, context.Cause(ctx))
		}
	}
}

func (c *Console) failed(what string, cause error) error {
	if already, ok := errors.AsType[*ConsoleError](cause); ok {
		return already
	}
	const shown = 200
	said := c.Since(0)
	return &ConsoleError{Waiting: what, Tail: string(said[max(0, len(said)-shown):]), Cause: cause}
}
