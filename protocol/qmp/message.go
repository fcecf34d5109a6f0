package qmp

import (
	"bytes"
	"encoding/json"
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

// parse reads one object. Its members are copies.
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
	e := Event{Data: m.Data}
	if err := json.Unmarshal(m.Event, &e.Name); err != nil || e.Name == "" {
		return nil, &ProtocolError{Problem: "an event's name is not a string", Data: excerpt(m.Event)}
	}
	var at struct{ Seconds, Microseconds int64 }
	if m.Timestamp != nil && json.Unmarshal(m.Timestamp, &at) == nil && at.Seconds >= 0 {
		e.Time = time.Unix(at.Seconds, at.Microseconds*1000).UTC()
	}
	return func(place Mark) Event { e.Place = place; return e }, nil
}

// failure reads the error of a reply.
func (m message) failure(command string) error {
	var e struct {
		Class ErrorClass
		Desc  string
	}
	if err := json.Unmarshal(m.Error, &e); err != nil || e.Class == "" {
		return &ProtocolError{Problem: "the error that answers " + command + " can't be read", Data: excerpt(m.Error)}
	}
	return &Error{Class: e.Class, Desc: e.Desc, Command: command}
}

// decode stores a value as json.Unmarshal does, but keeps numbers exact where
// there is no type to say what they are.
func decode(data json.RawMessage, v any) error {
	if raw, ok := v.(*json.RawMessage); ok {
		*raw = data
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// encodeCommand writes a command up to its id, which comes last, as in the
// examples of qmp-spec.
func encodeCommand(verb, command string, arguments json.RawMessage) []byte {
	name, _ := json.Marshal(command) // a string can always be encoded
	b := make([]byte, 0, len(verb)+len(name)+len(arguments)+64)
	b = append(b, `{"`...)
	b = append(b, verb...)
	b = append(b, `": `...)
	b = append(b, name...)
	if arguments != nil {
		b = append(b, `, "arguments": `...)
		b = append(b, arguments...)
	}
	return append(b, `, "id": `...)
}
