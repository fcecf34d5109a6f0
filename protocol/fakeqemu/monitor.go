package fakeqemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// inFlight is how many in-band commands a monitor reads ahead; QEMU stops
// reading at as many.
const inFlight = 8

// A Command is one QMP command as it was asked.
type Command struct {
	Name      string
	Arguments json.RawMessage // nil where there were none
	ID        json.RawMessage // nil where there was none
	OOB       bool            // sent with exec-oob
}

// An Error is a QMP error reply.
type Error struct {
	Class string // "" means GenericError
	Desc  string
}

func (e *Error) Error() string { return e.Class + ": " + e.Desc }

// A Handler answers one command. What it returns becomes the reply: a value for
// encoding/json, where nil means the empty object, or an error, of which an *Error
// keeps its class. It may block, and holds up in-band commands as a slow command
// does in QEMU; one that may block for ever must end with [QEMU.Done].
type Handler func(c Command) (any, error)

// Handle scripts the reply to a command, in place of what the fake does by itself. It knows
//
//	add-fd (without files), cont, device_add, getfd, human-monitor-command, migrate,
//	migrate-continue, migrate-incoming, migrate-pause, migrate-recover,
//	migrate-set-capabilities, migrate-set-parameters, migrate-start-postcopy,
//	migrate_cancel, object-add, pmemsave, qmp_capabilities, qom-list,
//	query-commands, query-cpus-fast, query-machines, query-migrate,
//	query-migrate-capabilities, query-migrate-parameters, query-name,
//	query-qmp-schema, query-status, query-target, query-version, query-yank, quit, stop
//
// and answers anything else with CommandNotFound.
func (q *QEMU) Handle(command string, h Handler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handlers[command] = h
}

// Reply is [QEMU.Handle] with the same value each time.
func (q *QEMU) Reply(command string, value any) {
	q.Handle(command, func(Command) (any, error) { return value, nil })
}

// AllowOOB lets a command be executed out of band. By itself the fake allows
// migrate-pause, migrate-recover and query-yank.
func (q *QEMU) AllowOOB(command string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.oob[command] = true
}

// Commands returns every QMP command asked so far, in the order of arrival.
func (q *QEMU) Commands() []Command {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.commands)
}

// monitor is one QMP connection.
type monitor struct {
	q      *QEMU
	stream *stream
	inband chan Command
	ready  bool // past qmp_capabilities; guarded by q.mu
	oob    bool // guarded by q.mu
}

func (m *monitor) serve() {
	defer m.stream.close()
	if !m.q.config.NoGreeting {
		m.stream.send(m.greeting())
	}
	m.q.work.Go(m.execute)
	defer close(m.inband)
	d := json.NewDecoder(noReset{m.stream.conn})
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			if _, ok := errors.AsType[*json.SyntaxError](err); ok {
				m.fail(nil, &Error{Desc: "JSON parse error, " + err.Error()})
				m.stream.finish()
			}
			return
		}
		if m.q.config.NoGreeting {
			continue
		}
		c, err := parseCommand(raw)
		if err != nil {
			m.fail(c.ID, err)
			continue
		}
		m.q.mu.Lock()
		m.q.commands = append(m.q.commands, c)
		oob := m.oob
		m.q.mu.Unlock()
		if c.OOB && !oob {
			m.fail(c.ID, &Error{Desc: "QMP input member 'exec-oob' is unexpected"})
		} else if c.OOB {
			m.answer(c)
		} else {
			select {
			case m.inband <- c:
			case <-m.stream.over:
				return
			}
		}
	}
}

// execute is the goroutine for commands in band: out-of-band ones overtake it.
func (m *monitor) execute() {
	for c := range m.inband {
		m.answer(c)
	}
}

func parseCommand(raw json.RawMessage) (Command, error) {
	var o struct {
		Execute   *string         `json:"execute"`
		OOB       *string         `json:"exec-oob"`
		Arguments json.RawMessage `json:"arguments"`
		ID        json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return Command{}, &Error{Desc: "QMP input must be a JSON object"}
	}
	c := Command{Arguments: o.Arguments, ID: o.ID, OOB: o.OOB != nil}
	switch {
	case o.Execute != nil && o.OOB == nil:
		c.Name = *o.Execute
	case o.OOB != nil && o.Execute == nil:
		c.Name = *o.OOB
	default:
		return c, &Error{Desc: "QMP input lacks member 'execute'"}
	}
	return c, nil
}

// answer runs one command and sends its reply.
func (m *monitor) answer(c Command) {
	value, err := m.do(c)
	if err != nil {
		m.fail(c.ID, err)
		return
	}
	if value == nil {
		value = struct{}{}
	}
	line, err := json.Marshal(struct {
		Return any             `json:"return"`
		ID     json.RawMessage `json:"id,omitempty"`
	}{value, c.ID})
	if err != nil {
		m.fail(c.ID, fmt.Errorf("the handler's value: %w", err))
		return
	}
	m.stream.send(append(line, "\r\n"...))
	if c.Name == "quit" {
		m.q.Emit("SHUTDOWN", map[string]any{"guest": false, "reason": "host-qmp-quit"})
		m.q.leave()
	}
}

func (m *monitor) do(c Command) (any, error) {
	m.q.mu.Lock()
	h, known := m.q.handlers[c.Name]
	ready, oob := m.ready, m.q.oob[c.Name]
	m.q.mu.Unlock()
	switch {
	case c.Name == "qmp_capabilities" && !ready:
		return nil, m.negotiate(c)
	case !ready:
		return nil, &Error{"CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'"}
	case c.Name == "qmp_capabilities":
		return nil, &Error{"CommandNotFound", "Capabilities negotiation is already complete, command ignored"}
	case !known:
		return nil, &Error{"CommandNotFound", "The command " + c.Name + " has not been found"}
	case c.OOB && !oob:
		return nil, &Error{"", "The command " + c.Name + " does not support OOB"}
	}
	return h(c)
}

func (m *monitor) negotiate(c Command) error {
	var a struct {
		Enable []string `json:"enable"`
	}
	if err := decode(c, &a); err != nil {
		return err
	}
	for _, name := range a.Enable {
		if name != "oob" || m.q.config.NoOOB {
			return &Error{"", "Parameter 'enable' does not accept value '" + name + "'"}
		}
	}
	m.q.mu.Lock()
	defer m.q.mu.Unlock()
	m.ready, m.oob = true, len(a.Enable) > 0
	return nil
}

func (m *monitor) fail(id json.RawMessage, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Desc: err.Error()}
	}
	class := e.Class
	if class == "" {
		class = "GenericError"
	}
	line, _ := json.Marshal(struct {
		Error map[string]string `json:"error"`
		ID    json.RawMessage   `json:"id,omitempty"`
	}{map[string]string{"class": class, "desc": e.Desc}, id})
	m.stream.send(append(line, "\r\n"...))
}

func (m *monitor) greeting() []byte {
	caps := []string{"oob"}
	if m.q.config.NoOOB {
		caps = []string{}
	}
	line, _ := json.Marshal(map[string]any{
		"QMP": map[string]any{"version": m.q.version(), "capabilities": caps},
	})
	return append(line, "\r\n"...)
}

func (q *QEMU) version() any {
	v := q.config.Version
	return map[string]any{
		"qemu":    map[string]int{"major": v[0], "minor": v[1], "micro": v[2]},
		"package": "fakeqemu",
	}
}

// leave ends the fake as quit ends QEMU: what is queued still goes out.
func (q *QEMU) leave() {
	for _, m := range q.monitorList() {
		m.stream.finish()
	}
	q.work.Go(func() {
		for _, m := range q.monitorList() {
			<-m.stream.over
		}
		q.end("")
	})
}

// decode reads a command's arguments into v, strictly.
func decode(c Command, v any) error {
	if len(c.Arguments) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Arguments, v); err != nil {
		return &Error{Desc: "Invalid parameter type: " + err.Error()}
	}
	return nil
}

// noReset takes out the byte that resets QEMU's parser. It is sent between
// messages only, so that dropping it is all there is to do.
type noReset struct{ from io.Reader }

func (r noReset) Read(p []byte) (int, error) {
	for {
		n, err := r.from.Read(p)
		kept := slices.DeleteFunc(p[:n], func(b byte) bool { return b == 0xff })
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}

// sleep waits, and reports whether the fake is still there.
func (q *QEMU) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.done:
		return false
	}
}
