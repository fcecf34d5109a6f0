package qmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/drover-vm/drover/internal/ended"
)

// The pauses between two attempts of NewAgent to get an answer.
const (
	firstSync = 500 * time.Millisecond
	lastSync  = 8 * time.Second
)

// NewAgent starts a session with a QEMU guest agent (QEMU 3.1 or later), and
// returns when it is in step: a guest agent doesn't greet, and may still have
// something to send to the client before, so it is asked to mark its
// answer (guest-sync-delimited). Everything before that is dropped. NewAgent owns
// conn from now on, and closes it where it returns an error.
//
// An agent that starts late is waited for: it is asked again, less and less often,
// because what came before it was there may have been lost. Where no agent runs nobody
// answers: bound the wait with ctx. The error is then ErrNoAgent.
//
// An agent has no events and no out-of-band execution, and answers some commands
// only when they fail (guest-shutdown, guest-suspend-ram and its like): bound
// those with a context too. A session that an agent leaves hanging is closed, and
// a new one made on a new connection; the agent forgets what it was asked.
func NewAgent(ctx context.Context, conn net.Conn, o Options) (*Session, error) {
	s := open(conn, o)
	asked := &asking{s: s}
	go s.run(func(split *splitter) error {
		if err := asked.await(split); err != nil {
			return err
		}
		close(s.greeted)
		return s.read(split)
	})
	err := asked.untilInStep(ctx)
	if err == nil {
		return s, nil
	}
	if _, ended := errors.AsType[*ClosedError](err); ended {
		err = s.early(err)
	}
	_ = s.Close()
	return nil, err
}

// An asking is the handshake with an agent: the same question again and again, of
// which the answer to the last one counts. Agents answer in order, so nothing is on its
// way behind that.
type asking struct {
	s *Session

	mu    sync.Mutex
	last  *call
	token string // of last
}

// untilInStep asks until there is the right answer.
func (a *asking) untilInStep(ctx context.Context) error {
	for pause := firstSync; ; pause = min(2*pause, lastSync) {
		if err := a.again(ctx); err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-a.s.greeted:
			timer.Stop()
			return nil
		case <-a.s.done:
			timer.Stop()
			return a.s.err
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("qmp: %w: %w", ErrNoAgent, ended.By(ctx))
		case <-timer.C:
		}
	}
}

// again asks, unless the last question has not even been written.
func (a *asking) again(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last != nil && !a.s.supersede(a.last) {
		return nil
	}
	a.token = strconv.FormatInt(rand.Int64N(1<<53), 10) // exact in any JSON parser
	a.last = newCall("execute", "guest-sync-delimited", []byte(`{"id": `+a.token+`}`))
	a.last.data = append([]byte{resynchronize}, a.last.data...)
	return a.s.send(ctx, a.last)
}

func (a *asking) isLast(token []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(token) == a.token
}

// await reads until the agent has answered with the last token.
func (a *asking) await(split *splitter) error {
	for {
		if err := split.skip(); err != nil {
			return err
		}
		m, err := a.s.receive(split)
		if _, garbled := errors.AsType[*ProtocolError](err); garbled {
			continue // left over from before, or cut off by another mark
		}
		if err != nil {
			return err
		}
		if m.result != nil && a.isLast(m.result) {
			a.s.deliver(m)
			return nil
		}
	}
}

// supersede forgets a command that has been written, for another in its place, and
// says whether it had been.
func (s *Session) supersede(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.queue, c) {
		return false
	}
	s.forget(c)
	return true
}
