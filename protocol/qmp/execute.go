package qmp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/drover-vm/drover/protocol/transcript"
)

// A call is a command that waits for its reply.
type call struct {
	command string
	inBand  bool
	reply   chan message // room for one: the reader never waits
}

// Execute executes a command. Arguments is anything that encodes to a JSON
// object, nil for none; the reply is stored in the value that reply points to,
// as [json.Unmarshal] does, and dropped where it is nil. A *json.RawMessage
// takes it as it is.
//
// A command that QEMU refuses is an *Error, the end of the session a
// *ClosedError. When ctx ends first Execute returns at once, though QEMU may
// still carry the command out; its late reply is dropped, and the session goes on.
func (s *Session) Execute(ctx context.Context, command string, arguments, reply any) error {
	return s.execute(ctx, "execute", command, arguments, reply, nil)
}

// ExecuteOOB executes a command out of band: it overtakes those that were sent
// before it and have not finished. QEMU refuses it for commands that can't be
// (those without allow-oob in its schema). The error is ErrNoOOB where the
// session can't.
func (s *Session) ExecuteOOB(ctx context.Context, command string, arguments, reply any) error {
	if !s.oob {
		return fmt.Errorf("%s: %w", command, ErrNoOOB)
	}
	return s.execute(ctx, "exec-oob", command, arguments, reply, nil)
}

// ExecuteFiles executes a command with files beside it, for getfd and add-fd
// (SCM_RIGHTS). QEMU gets copies; the files stay the caller's, and must stay
// open until ExecuteFiles returns. The connection has to be a UNIX socket.
func (s *Session) ExecuteFiles(ctx context.Context, command string, arguments, reply any, files ...*os.File) error {
	if _, ok := s.conn.(*net.UnixConn); !ok && len(files) > 0 {
		return fmt.Errorf("qmp: %s: files travel over UNIX sockets only, and this session is on a %T", command, s.conn)
	}
	return s.execute(ctx, "execute", command, arguments, reply, files)
}

// Alive returns nil when the monitor answers. Where the session has
// out-of-band execution the question overtakes commands that hang.
func (s *Session) Alive(ctx context.Context) error {
	if !s.oob {
		return s.Execute(ctx, "query-version", nil, nil)
	}
	// query-version can't be executed out of band, in any version. That it says
	// so is the answer: the monitor's own thread gives it, not the main loop.
	err := s.ExecuteOOB(ctx, "query-version", nil, nil)
	if _, refused := errors.AsType[*Error](err); refused {
		return nil
	}
	return err
}

func (s *Session) execute(ctx context.Context, verb, command string, arguments, reply any, files []*os.File) error {
	encoded, err := s.encodeArguments(command, arguments)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return cancelled(ctx, command)
	}
	c := &call{command: command, inBand: verb == "execute", reply: make(chan message, 1)}
	if c.inBand {
		select {
		case s.inBand <- struct{}{}:
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return cancelled(ctx, command)
		}
	}
	files, err = duplicates(files)
	if err != nil {
		return fmt.Errorf("qmp: %s: %w", command, err)
	}
	if err := s.send(c, verb, encoded, files); err != nil {
		return err
	}
	m, err := s.await(ctx, c)
	if err != nil {
		return err
	}
	if m.Error != nil {
		return m.failure(command)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(m.Return, reply); err != nil {
		return fmt.Errorf("qmp: reply to %s: %w", command, err)
	}
	return nil
}

func (s *Session) encodeArguments(command string, arguments any) (json.RawMessage, error) {
	var encoded json.RawMessage
	if arguments != nil {
		var err error
		if encoded, err = json.Marshal(arguments); err != nil {
			return nil, fmt.Errorf("qmp: arguments of %s: %w", command, err)
		}
		if bytes.Equal(encoded, []byte("null")) {
			encoded = nil
		} else if encoded[0] != '{' {
			return nil, fmt.Errorf("qmp: arguments of %s have to be a JSON object, and %T is %s", command, arguments, excerpt(encoded))
		}
	}
	if s.options.Check != nil {
		if err := s.options.Check(command, encoded); err != nil {
			return nil, err
		}
	}
	return encoded, nil
}

func cancelled(ctx context.Context, command string) error {
	return fmt.Errorf("qmp: %s: %w", command, context.Cause(ctx))
}

// duplicates makes copies of descriptors that outlive a caller who gives up
// before they are sent.
func duplicates(files []*os.File) ([]*os.File, error) {
	var copies []*os.File
	for _, f := range files {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			closeAll(copies)
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		syscall.CloseOnExec(fd)
		copies = append(copies, os.NewFile(uintptr(fd), f.Name()))
	}
	return copies, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// send gives the command its id and its place in the queue.
func (s *Session) send(c *call, verb string, arguments json.RawMessage, files []*os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		closeAll(files)
		return s.err
	}
	s.last++
	s.pending[s.last] = c
	s.queue = append(s.queue, outgoing{encode(verb, c.command, arguments, s.last), files})
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return nil
}

func (s *Session) await(ctx context.Context, c *call) (message, error) {
	select {
	case m := <-c.reply:
		return m, nil
	case <-ctx.Done():
		return message{}, cancelled(ctx, c.command)
	case <-s.done:
	}
	select {
	case m := <-c.reply: // came just before the end
		return m, nil
	default:
		return message{}, s.err
	}
}

// deliver gives a reply to who waits for it. One that nobody asked for is an
// error only where it can't be told whose it is.
func (s *Session) deliver(m message) error {
	id, ok := m.id()
	s.mu.Lock()
	c := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if !ok && m.ID == nil && m.Error != nil {
		// QEMU could not even read what we sent, so it can't say which it was.
		return &ProtocolError{Problem: "the monitor could not read a command", Data: excerpt(m.Error)}
	}
	if c == nil {
		return nil
	}
	if c.inBand {
		<-s.inBand
	}
	c.reply <- m
	return nil
}

// write sends what is queued until the session ends.
func (s *Session) write(ended <-chan struct{}) {
	for {
		select {
		case <-s.kick:
		case <-ended:
			return
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		for i, o := range queue {
			s.trace(transcript.Sent, bytes.TrimSpace(o.data))
			err := s.writeOne(o)
			closeAll(o.files)
			if err != nil {
				for _, rest := range queue[i+1:] {
					closeAll(rest.files)
				}
				s.mu.Lock()
				s.broken = err
				s.mu.Unlock()
				_ = s.conn.Close() // ends the reader, which ends the session
				return
			}
		}
	}
}

func (s *Session) writeOne(o outgoing) error {
	if len(o.files) == 0 {
		_, err := s.conn.Write(o.data)
		return err
	}
	var fds []int
	for _, f := range o.files {
		fds = append(fds, int(f.Fd()))
	}
	// The descriptors have to come with the command's first byte.
	n, _, err := s.conn.(*net.UnixConn).WriteMsgUnix(o.data, syscall.UnixRights(fds...), nil)
	if err == nil && n < len(o.data) {
		_, err = s.conn.Write(o.data[n:])
	}
	return err
}
