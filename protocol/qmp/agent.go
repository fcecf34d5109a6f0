package qmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// NewAgent starts a session with a QEMU guest agent (QEMU 3.1 or later), and
// returns when it is in step: a guest agent doesn't greet, and may still have
// something to say to whoever spoke to it before, so it is asked to mark its
// answer (guest-sync-delimited). Everything before that is dropped. NewAgent owns
// conn from now on, and closes it where it returns an error.
//
// Where no agent runs nobody answers: bound the wait with ctx. The error is then
// ErrNoAgent.
//
// An agent has no events and no out-of-band execution, and answers some commands
// only when they fail (guest-shutdown, guest-suspend-ram and its like): bound
// those with a context too. A session that an agent leaves hanging is closed, and
// a new one made on a new connection; the agent forgets what it was asked.
func NewAgent(ctx context.Context, conn net.Conn, o Options) (*Session, error) {
	s := open(conn, o)
	token := strconv.FormatInt(rand.Int64N(1<<53), 10) // exact in any JSON parser
	sync := newCall("execute", "guest-sync-delimited", []byte(`{"id": `+token+`}`))
	sync.data = append([]byte{resynchronize}, sync.data...)
	go s.run(func(split *splitter) error {
		if err := s.synchronize(split, token); err != nil {
			return err
		}
		close(s.greeted)
		return s.read(split)
	})
	err := s.send(ctx, sync)
	if err == nil {
		select {
		case <-s.greeted:
			return s, nil
		case <-s.done:
			return nil, s.err
		case <-ctx.Done():
			err = fmt.Errorf("qmp: %w: %w", ErrNoAgent, ended(ctx))
		}
	}
	_ = s.Close()
	return nil, err
}

// synchronize reads until the agent has answered with our token.
func (s *Session) synchronize(split *splitter, token string) error {
	for {
		if err := split.skip(); err != nil {
			return err
		}
		m, err := s.receive(split)
		if _, garbled := errors.AsType[*ProtocolError](err); garbled {
			continue // left over from before, or cut off by another mark
		}
		if err != nil {
			return err
		}
		if string(m.result) == token {
			s.deliver(m)
			return nil
		}
	}
}
