package launcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/drover-vm/drover/internal/ended"
)

// consoleKept is how much of a console stays in memory. A guest that talks
// more than that loses its oldest output there, not in the file in Config.Dir.
const consoleKept = 1 << 20

// piecesKept is how many moments of arrival are kept with it.
const piecesKept = 1 << 16

// A Console records what a guest writes to its first serial port, from its
// first byte on, with the times, and holds the guest up only where Hold was asked for. Places are
// counted in bytes since the start, so a wait sees what came before it began.
// It is safe for concurrent use.
type Console struct {
	line    line
	sending chan struct{}   // held by the one that writes to line
	ended   chan struct{}   // closed by finish
	gone    <-chan struct{} // closed when QEMU has ended

	mu      sync.Mutex
	held    chan struct{} // closed by Release; nil where nobody holds it
	kept    []byte        // only ever appended to, or replaced: what was taken of it stays as it is
	dropped int64         // bytes before kept[0]
	pieces  []piece       // when what arrived; the first begins with kept
	last    time.Time
	more    chan struct{}
	end     error
}

// A line is our end of a serial line: a socket, or the master of a
// pseudo-terminal.
type line interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// ConsoleError says that a console ended, or the caller's context did, before
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
	return fmt.Sprintf("waiting for %s on the console, which shows %s: %v", e.Waiting, seen, e.Cause)
}

func (e *ConsoleError) Unwrap() error { return e.Cause }

func newConsole(l line, gone <-chan struct{}) *Console {
	return &Console{line: l, gone: gone, sending: make(chan struct{}, 1), ended: make(chan struct{}), more: make(chan struct{})}
}

// record reads what the guest writes until there is no more, or the line is
// closed; each of keep gets a copy.
func (c *Console) record(keep ...io.Writer) {
	buf := make([]byte, 4096)
	for {
		c.awaitRelease()
		n, err := c.line.Read(buf)
		if n > 0 {
			c.append(buf[:n], time.Now())
			for _, w := range keep {
				_, _ = w.Write(buf[:n]) // these never fail
			}
		}
		if err != nil {
			return
		}
	}
}

// Hold leaves what the guest writes unread until Release, but for what comes next, as a reader
// does that is slow or stopped: when the line holds no more (a socket some hundred bytes), the
// guest's serial port has to wait with what it is to send.
func (c *Console) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = make(chan struct{})
	}
}

// Release reads on after Hold.
func (c *Console) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != nil {
		close(c.held)
		c.held = nil
	}
}

// awaitRelease waits until nobody holds the console, or QEMU has ended.
func (c *Console) awaitRelease() {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-c.gone:
	}
}

func (c *Console) append(p []byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.pieces); n == 0 || now.Sub(c.pieces[n-1].at) >= pieceLength {
		c.pieces = append(c.pieces, piece{c.dropped + int64(len(c.kept)), now})
	}
	c.kept = append(c.kept, p...)
	c.last = now
	c.trim()
	c.wake()
}

// trim forgets the oldest output where there is too much, a good part at a
// time.
func (c *Console) trim() {
	drop := 0
	if extra := len(c.kept) - consoleKept; extra > consoleKept/4 {
		drop = extra
	}
	if extra := len(c.pieces) - piecesKept; extra > piecesKept/4 {
		drop = max(drop, int(c.pieces[extra].place-c.dropped))
	}
	if drop == 0 {
		return
	}
	c.kept = slices.Clone(c.kept[drop:])
	c.dropped += int64(drop)
	c.pieces = slices.Clone(c.pieces[c.pieceAt(c.dropped):])
	c.pieces[0].place = c.dropped
}

// finish lets all waiters know that nothing more will come, and why.
func (c *Console) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.end = err
		close(c.ended)
		_ = c.line.SetWriteDeadline(longAgo)
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
	return c.kept[min(max(from-c.dropped, 0), int64(len(c.kept))):len(c.kept):len(c.kept)]
}

// LastOutput returns when the guest's last byte arrived here; the zero time
// where none has.
func (c *Console) LastOutput() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Wait returns once the text has been written from the place given on, with
// the place behind it. It ends with a *ConsoleError where the context or the
// console ends first.
func (c *Console) Wait(ctx context.Context, from int64, text string) (int64, error) {
	return c.WaitFunc(ctx, from, strconv.Quote(text), func(output []byte) (int, error) {
		if at := bytes.Index(output, []byte(text)); at >= 0 {
			return at + len(text), nil
		}
		return -1, nil
	})
}

// WaitMatch is Wait for a regular expression.
func (c *Console) WaitMatch(ctx context.Context, from int64, pattern *regexp.Regexp) (int64, error) {
	return c.WaitFunc(ctx, from, pattern.String(), func(output []byte) (int, error) {
		if at := pattern.FindIndex(output); at != nil {
			return at[1], nil
		}
		return -1, nil
	})
}

// WaitFunc calls match with everything written from the place given on, each
// time there is more of it, until match returns the length of what satisfied
// it (anything but -1) or an error. match must not change the bytes. A slow one
// doesn't hold the guest up. what names the thing waited for in a *ConsoleError.
func (c *Console) WaitFunc(ctx context.Context, from int64, what string, match func(output []byte) (int, error)) (int64, error) {
	for {
		c.mu.Lock()
		start := max(from, c.dropped)
		output, more, end := c.since(start), c.more, c.end
		c.mu.Unlock()
		n, err := match(output)
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
			return 0, c.failed(what, ended.By(ctx))
		}
	}
}

func (c *Console) failed(what string, cause error) error {
	if already, ok := errors.AsType[*ConsoleError](cause); ok {
		return already
	}
	const shown = 200
	output := c.Since(0)
	return &ConsoleError{Waiting: what, Tail: string(output[max(0, len(output)-shown):]), Cause: cause}
}
