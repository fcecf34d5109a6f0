package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/drover-vm/drover/internal/ended"
)

// Execute executes a command. Arguments is anything that encodes to a JSON
// object, nil for none; the reply is stored in the value that reply points to,
// as [json.Unmarshal] does, and dropped where it is nil. A *json.RawMessage
// takes it as it is. Numbers in an any become a [json.Number], so that none
// loses a digit.
//
// A command that QEMU refuses is an *Error, one that was not sent for its
// arguments an *ArgumentError, the end of the session a *ClosedError. When ctx
// ends first Execute returns at once with its error and its cause, though QEMU may
// still carry the command out; its late reply is dropped, and the session goes on.
func (s *Session) Execute(ctx context.Context, command string, arguments, reply any) error {
	c, err := s.prepare("execute", command, arguments)
	if err != nil {
		return err
	}
	return s.execute(ctx, c, reply)
}

// ExecuteOOB executes a command out of band: it overtakes those that were sent
// before it and have not finished. QEMU refuses it for commands that can't be
// (those without allow-oob in its schema). The error is ErrNoOOB where the
// session can't.
func (s *Session) ExecuteOOB(ctx context.Context, command string, arguments, reply any) error {
	if !s.oob {
		return fmt.Errorf("qmp: %s: %w", command, ErrNoOOB)
	}
	c, err := s.prepare("exec-oob", command, arguments)
	if err != nil {
		return err
	}
	return s.execute(ctx, c, reply)
}

// ExecuteFiles executes a command with files beside it, for getfd and add-fd
// (SCM_RIGHTS). QEMU gets copies; the files stay the caller's, who may close
// them when ExecuteFiles returns. The connection has to be a UNIX socket, else
// the error is ErrNoFiles.
func (s *Session) ExecuteFiles(ctx context.Context, command string, arguments, reply any, files ...*os.File) error {
	c, err := s.prepare("execute", command, arguments)
	if err != nil {
		return err
	}
	if c.files, err = s.duplicate(files); err != nil {
		return fmt.Errorf("qmp: %s: %w", command, err)
	}
	return s.execute(ctx, c, reply)
}

// ExecuteWait executes a command and then waits for one of the events given,
// from before the command on: an event that overtakes the command's own reply
// is found. Where no event is named, any will do.
func (s *Session) ExecuteWait(ctx context.Context, command string, arguments, reply any, events ...string) (Event, error) {
	before := s.Mark()
	if err := s.Execute(ctx, command, arguments, reply); err != nil {
		return Event{}, err
	}
	return s.Wait(ctx, before, events...)
}

// Alive returns nil when the monitor answers. Where the session has
// out-of-band execution the question overtakes commands that hang, and says that
// QEMU is there, though its main loop may not move.
func (s *Session) Alive(ctx context.Context) error {
	if !s.oob {
		return s.execute(ctx, newCall("execute", "query-version", nil), nil)
	}
	// query-version can't be executed out of band, in any version. That it says
	// so is the answer: the monitor's own thread gives it, not the main loop.
	err := s.execute(ctx, newCall("exec-oob", "query-version", nil), nil)
	if _, refused := errors.AsType[*Error](err); refused {
		return nil
	}
	return err
}

// prepare makes a command of what a caller wants, unless it can't be sent.
func (s *Session) prepare(verb, command string, arguments any) (*call, error) {
	encoded, err := encodeArguments(arguments)
	if err == nil && s.options.Check != nil {
		err = s.options.Check(command, encoded)
	}
	c := newCall(verb, command, encoded)
	if err == nil {
		err = unreadable(c.data)
	}
	if err != nil {
		return nil, &ArgumentError{Command: command, Err: err}
	}
	return c, nil
}

// execute sends a command, waits for its reply and takes that apart.
func (s *Session) execute(ctx context.Context, c *call, reply any) error {
	c.wanted = reply != nil
	if err := s.roundTrip(ctx, c); err != nil {
		return err
	}
	if c.failure != nil {
		return refusal(c.failure, c.command)
	}
	if reply == nil {
		return nil
	}
	if err := decode(c.result, reply); err != nil {
		return fmt.Errorf("qmp: reply to %s: %w", c.command, err)
	}
	return nil
}

// roundTrip returns nil when a command has been answered.
func (s *Session) roundTrip(ctx context.Context, c *call) error {
	if err := s.send(ctx, c); err != nil {
		closeAll(c.files)
		return err
	}
	select {
	case <-c.answered:
		return nil
	case <-ctx.Done():
		s.abandon(c)
		return cancelled(ctx, c.command)
	case <-s.done:
	}
	select {
	case <-c.answered: // just before the end
		return nil
	default:
		return s.err
	}
}

// encodeArguments returns the arguments as they will be sent, nil for none.
func encodeArguments(arguments any) (json.RawMessage, error) {
	if arguments == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(arguments)
	switch {
	case err != nil:
		return nil, err
	case string(encoded) == "null": // a nil map or pointer
		return nil, nil
	case encoded[0] != '{':
		return nil, fmt.Errorf("arguments have to encode to a JSON object, and %T is %s", arguments, excerpt(encoded))
	}
	return encoded, nil
}

func cancelled(ctx context.Context, what string) error {
	return fmt.Errorf("qmp: %s: %w", what, ended.By(ctx))
}
