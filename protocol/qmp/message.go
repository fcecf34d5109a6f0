package qmp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// A message is anything that QEMU sends: its kind is told by which of these
// members is there.
type message struct {
	QMP       json.RawMessage `json:"QMP"`
	Event     json.RawMessage `json:"event"`
	Return    json.RawMessage `json:"return"`
	Error     json.RawMessage `json:"error"`
	ID        json.RawMessage `json:"id"`
	Data      json.RawMessage `json:"data"`
	Timestamp json.RawMessage `json:"timestamp"`
}

// parse reads one object. Its members point into value.
func parse(value []byte) (message, error) {
	var m message
	if err := json.Unmarshal(value, &m); err != nil {
		return m, &ProtocolError{Problem: "a message can't be read: " + err.Error(), Data: excerpt(value)}
	}
	if m.QMP == nil && m.Event == nil && m.Return == nil && m.Error == nil {
		return m, &ProtocolError{Problem: "a message is neither a greeting, a reply nor an event", Data: excerpt(value)}
	}
	return m, nil
}

// event makes the event for the place at which it stands in the log.
func (m message) event() (func(Mark) Event, error) {
	var e Event
	if err := json.Unmarshal(m.Event, &e.Name); err != nil || e.Name == "" {
		return nil, &ProtocolError{Problem: "an event's name is not a string", Data: excerpt(m.Event)}
	}
	var at struct{ Seconds, Microseconds int64 }
	if m.Timestamp != nil && json.Unmarshal(m.Timestamp, &at) == nil && at.Seconds >= 0 {
		e.Time = time.Unix(at.Seconds, at.Microseconds*1000).UTC()
	}
	e.Data = m.Data // json.RawMessage has copied it out of the buffer
	return func(place Mark) Event { e.Place = place; return e }, nil
}

// failure reads the error of a reply.
func (m message) failure(command string) error {
	var e struct {
		Class ErrorClass
		Desc  string
	}
	if err := json.Unmarshal(m.Error, &e); err != nil {
		return &ProtocolError{Problem: "an error reply can't be read: " + err.Error(), Data: excerpt(m.Error)}
	}
	return &Error{Class: e.Class, Desc: e.Desc, Command: command}
}

// id returns the number that we gave the command; ok is false for any that
// isn't of our making.
func (m message) id() (id uint64, ok bool) {
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	return id, err == nil
}

// encode writes a command. The id comes last, as in the examples of qmp-spec.
func encode(verb, command string, arguments json.RawMessage, id uint64) []byte {
	var b bytes.Buffer
	name, _ := json.Marshal(command) // a string can always be marshalled
	b.Grow(len(name) + len(arguments) + 64)
	b.WriteString(`{"` + verb + `": `)
	b.Write(name)
	if arguments != nil {
		b.WriteString(`, "arguments": `)
		b.Write(arguments)
	}
	b.WriteString(`, "id": `)
	b.WriteString(strconv.FormatUint(id, 10))
	b.WriteString("}\n")
	return b.Bytes()
}
