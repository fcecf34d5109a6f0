package launcher

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/drover-vm/drover/internal/ended"
)

// Send sends text to the guest, as if typed. It returns when all of it is on
// the line, which has room for a few thousand bytes: that the guest has read
// it, only the guest's answer can say. It ends with a *ConsoleError where the
// context or the console ends before there is room; the guest then gets the
// beginning of the text. What two callers send at once is not mixed.
func (c *Console) Send(ctx context.Context, text string) error {
	_, err := c.send(ctx, text)
	return err
}

// Write is Send as an io.Writer: only the end of the VM ends it early.
func (c *Console) Write(p []byte) (int, error) {
	return c.send(context.Background(), string(p))
}

// longAgo, as a deadline, ends a write that waits for room.
var longAgo = time.Unix(1, 0)

func (c *Console) send(ctx context.Context, text string) (int, error) {
	unsent := func(n int, cause error) error {
		return c.failed(fmt.Sprintf("room for the last %d of %d bytes to the guest", len(text)-n, len(text)), cause)
	}
	select {
	case c.sending <- struct{}{}:
		defer func() { <-c.sending }()
	case <-ctx.Done():
		return 0, unsent(0, ended.By(ctx))
	}
	stop := c.abandonWith(ctx)
	n, err := io.WriteString(c.line, text)
	stop()
	switch {
	case err == nil && n == len(text):
		return n, nil
	case ctx.Err() != nil:
		return n, unsent(n, ended.By(ctx))
	}
	select { // a line that takes nothing has no other end: the reader knows why
	case <-c.ended:
		return n, unsent(n, c.end)
	case <-ctx.Done():
		return n, unsent(n, ended.By(ctx))
	}
}

// abandonWith lets the context's end end a write. The function it returns
// takes that back, for the next write.
func (c *Console) abandonWith(ctx context.Context) (stop func()) {
	abandoned := make(chan struct{})
	stopAfter := context.AfterFunc(ctx, func() {
		defer close(abandoned)
		_ = c.line.SetWriteDeadline(longAgo)
	})
	return func() {
		if stopAfter() {
			return
		}
		<-abandoned
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.end == nil {
			_ = c.line.SetWriteDeadline(time.Time{})
		}
	}
}
