package qmp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// A message is anything that QEMU sends: its kind is told by which of these
// members is there. They are parts of the value that was read, and last as long.
type message struct {
	qmp, event, result, failure, id, data, timestamp json.RawMessage
}

// parse takes one object apart.
func parse(value []byte) (message, error) {
	var m message
	if !json.Valid(value) {
		var any json.RawMessage
		return m, &ProtocolError{Problem: "a message can't be read: " + json.Unmarshal(value, &any).Error(), Data: excerpt(value)}
	}
	for name, member := range members(value) {
		switch string(name) {
		case "QMP":
			m.qmp = member
		case "event":
			m.event = member
		case "return":
			m.result = member
		case "error":
			m.failure = member
		case "id":
			m.id = member
		case "data":
			m.data = member
		case "timestamp":
			m.timestamp = member
		}
	}
	if m.qmp == nil && m.event == nil && m.result == nil && m.failure == nil {
		return m, &ProtocolError{Problem: "a message is neither a greeting, a reply nor an event", Data: excerpt(value)}
	}
	return m, nil
}

// readEvent makes the event for its place in the log.
func (m message) readEvent() (Event, error) {
	name, ok := text(m.event)
	if !ok || name == "" {
		return Event{}, &ProtocolError{Problem: "an event's name is not a string", Data: excerpt(m.event)}
	}
	return Event{Name: name, Data: bytes.Clone(m.data), Time: m.time()}, nil
}

// time is when QEMU says that something happened; -1 seconds are "unknown" to it.
func (m message) time() time.Time {
	seconds, microseconds := int64(-1), int64(-1)
	if len(m.timestamp) > 0 && m.timestamp[0] == '{' {
		for name, member := range members(m.timestamp) {
			switch string(name) {
			case "seconds":
				seconds = integer(member)
			case "microseconds":
				microseconds = integer(member)
			}
		}
	}
	if seconds < 0 || microseconds < 0 || microseconds >= 1e6 {
		return time.Time{}
	}
	return time.Unix(seconds, microseconds*1000).UTC()
}

// integer returns a number that is 0 or more, -1 for anything else.
func integer(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// refusal reads the error of a reply.
func refusal(failure json.RawMessage, command string) error {
	var e struct {
		Class ErrorClass
		Desc  string
	}
	if err := json.Unmarshal(failure, &e); err != nil || e.Class == "" {
		return &ProtocolError{Problem: "the error that answers " + command + " can't be read", Data: excerpt(failure)}
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

// encodeCommand writes a command up to its id, and leaves out what it can: QEMU
// reads its monitor a byte at a time, and takes some microseconds for each.
func encodeCommand(verb, command string, arguments json.RawMessage) []byte {
	const around = len(`{"exec-oob":"","arguments":,"id":18446744073709551615}`) + len("\n")
	b := make([]byte, 0, len(command)+len(arguments)+around)
	b = append(append(append(b, `{"`...), verb...), `":`...)
	b = appendText(b, command)
	if arguments != nil {
		b = append(append(b, `,"arguments":`...), arguments...)
	}
	return append(b, `,"id":`...)
}
