package qtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/drover-vm/drover/internal/ended"
)

// A sink takes the replies of one call, each with the index of its request,
// in order. What it returns is nil or a *ProtocolError that ends the session:
// a request that QEMU refuses is the sink's to remember.
type sink interface {
	reply(index int, r reply) error
}

// A call is one or many requests for which one goroutine waits.
type call struct {
	mu      sync.Mutex
	sink    sink // nil once nobody waits any more: late replies are dropped
	pending int  // requests sent or queued whose replies have not come
	low     int  // wake the waiter when pending is down to this
	err     error
	wake    chan struct{} // holds one token
	single  single
}

// deliver hands the reply to the sink. The lock is held meanwhile, so that a
// caller that leaves can take its buffers away without a race.
func (c *call) deliver(index int, r reply) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sink != nil {
		if err := c.sink.reply(index, r); err != nil {
			return err // still pending: the call fails with the session
		}
	}
	c.pending--
	if c.pending <= c.low {
		c.signal()
	}
	return nil
}

// fail ends the call: its reply will never come.
func (c *call) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.signal()
	}
}

func (c *call) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// add counts n more requests, and returns how many there are now.
func (c *call) add(n int) {
	c.mu.Lock()
	c.pending += n
	c.mu.Unlock()
}

// await waits until at most low requests are pending. An error means that the
// call is over: no reply touches the sink after it.
func (c *call) await(ctx context.Context, low int) (pending int, err error) {
	for {
		c.mu.Lock()
		c.low = low
		pending, err = c.pending, c.err
		c.mu.Unlock()
		if err != nil || pending <= low {
			return pending, err
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			c.abandon()
			return pending, ended.By(ctx)
		}
	}
}

func (c *call) abandon() {
	c.mu.Lock()
	c.sink = nil
	c.mu.Unlock()
}

// run sends the n requests that encode appends, at most window of them in
// flight, and returns when every reply has been given to the sink. An error
// means that this didn't come to pass; what QEMU refused is in the sink.
func (s *Session) run(ctx context.Context, c *call, n, window int, encode func(b []byte, index int) []byte) error {
	for sent := 0; sent < n; {
		// Refilled when half empty, so that neither side ever runs dry and the
		// two goroutines don't take turns at each single request.
		pending, err := c.await(ctx, window/2)
		if err != nil {
			return err
		}
		k := min(window-pending, n-sent)
		if err := s.enqueue(ctx, c, sent, k, encode); err != nil {
			c.abandon()
			return err
		}
		sent += k
	}
	_, err := c.await(ctx, 0)
	return err
}

// single is the sink for one request whose reply has at most one number.
type single struct {
	command string
	want    want
	value   uint64
	err     error
}

type want byte

const (
	wantNothing want = iota
	wantNumber
	wantByteOrder
)

func (o *single) reply(_ int, r reply) error {
	o.value, o.err = 0, nil
	if r.status != statusOK {
		o.err = refusal(o.command, r)
		return nil
	}
	var ok bool
	o.value, ok = o.want.parse(r.text)
	if !ok {
		return nonsense(r.text, "a reply to "+o.command+" without what was asked for")
	}
	return nil
}

func (w want) parse(text []byte) (value uint64, ok bool) {
	switch w {
	case wantNumber:
		return parseNumber(text)
	case wantByteOrder:
		if string(text) == "big" {
			return 1, true
		}
		return 0, string(text) == "little"
	default:
		return 0, len(text) == 0
	}
}

func refusal(command string, r reply) error {
	const most = 500
	return &Error{Command: command, Status: r.status.String(), Text: string(r.text[:min(most, len(r.text))])}
}

// one sends one request and returns the number in its reply.
func (s *Session) one(ctx context.Context, w want, q request) (uint64, error) {
	c := s.take()
	c.single = single{command: q.command, want: w}
	c.sink = &c.single
	err := s.run(ctx, c, 1, 1, func(b []byte, _ int) []byte { return q.append(b) })
	if err != nil {
		return 0, inCall(q.command, err)
	}
	value, err := c.single.value, c.single.err
	s.give(c)
	return value, err
}

// inCall says which call an error of the context hit. That of an ended session
// is the same value for all.
func inCall(command string, err error) error {
	if _, ok := err.(*ClosedError); ok {
		return err
	}
	return fmt.Errorf("qtest: %s: %w", command, err)
}

// take and give keep calls for reuse. One that was abandoned may still get a
// reply: it is never given back.
func (s *Session) take() *call {
	if c, ok := s.calls.Get().(*call); ok {
		return c
	}
	return &call{wake: make(chan struct{}, 1)}
}

func (s *Session) give(c *call) {
	select {
	case <-c.wake: // a token nobody needed
	default:
	}
	c.sink, c.single = nil, single{}
	s.calls.Put(c)
}
