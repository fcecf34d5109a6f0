package fakeqemu

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"

	"github.com/drover-vm/drover/protocol/transcript"
)

// A MismatchError says that a client asked something else than what was
// recorded.
type MismatchError struct {
	Message        int // which message of the transcript, from 0
	Expected, Sent string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("message %d of the transcript: recorded was %q, the client sends %q", e.Message, e.Expected, e.Sent)
}

// A Replayer answers as a recorded QEMU did.
type Replayer struct {
	conn   net.Conn
	done   chan struct{}
	err    error
	values *json.Decoder // of QMP
	lines  *bufio.Reader // of qtest
	ids    map[string]json.RawMessage
}

// Replay serves a transcript: what was received is sent, what was sent is
// awaited. Messages that begin with a brace are QMP, where two requests are
// the same if only their ids differ, and a reply gets the id of its request; all others are
// lines of qtest. The client's end of the connection is conn. At the transcript's
// end the connection closes, as the recorded one did.
func Replay(messages []transcript.Message) (conn net.Conn, r *Replayer) {
	client, server := net.Pipe()
	buffered := bufio.NewReader(server)
	r = &Replayer{
		conn: server, done: make(chan struct{}),
		values: json.NewDecoder(noReset{buffered}), lines: buffered, ids: map[string]json.RawMessage{},
	}
	go func() {
		defer close(r.done)
		defer server.Close()
		r.err = r.play(messages)
	}()
	return client, r
}

// Close ends the replay and returns when its goroutine has ended, with the
// *MismatchError where there was one, or io.ErrUnexpectedEOF where the client
// left before it had asked everything.
func (r *Replayer) Close() error {
	r.conn.Close()
	<-r.done
	return r.err
}

// Wait returns as Close does, but lets the replay come to its end by itself.
func (r *Replayer) Wait() error {
	<-r.done
	return r.err
}

func (r *Replayer) play(messages []transcript.Message) error {
	// The two directions don't wait for each other more than the recorded ones
	// did: a client that sends many requests before it reads is read all the while.
	out := make(chan []byte, len(messages))
	written := make(chan struct{})
	go func() {
		defer close(written)
		for m := range out {
			if _, err := r.conn.Write(m); err != nil {
				return
			}
		}
	}()
	defer func() { close(out); <-written }()
	for i, m := range messages {
		qmp := bytes.HasPrefix(bytes.TrimLeft(m.Data, " \r\n\xff"), []byte("{"))
		switch {
		case m.Direction == transcript.Received && qmp:
			out <- append(r.renumber(m.Data), "\r\n"...)
		case m.Direction == transcript.Received:
			out <- append(bytes.Clone(m.Data), '\n')
		default:
			if err := r.expect(i, m.Data, qmp); err != nil {
				r.conn.Close()
				return err
			}
		}
	}
	return nil
}

// expect reads one request and compares it with the one recorded.
func (r *Replayer) expect(i int, recorded []byte, qmp bool) error {
	if !qmp {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return left(err)
		}
		if line != string(recorded)+"\n" {
			return &MismatchError{i, string(recorded), line}
		}
		return nil
	}
	var sent json.RawMessage
	if err := r.values.Decode(&sent); err != nil {
		return left(err)
	}
	want, wantID := withoutID(recorded)
	got, gotID := withoutID(sent)
	if !reflect.DeepEqual(want, got) {
		return &MismatchError{i, string(recorded), string(sent)}
	}
	if wantID != nil {
		r.ids[string(wantID)] = gotID
	}
	return nil
}

func left(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrClosedPipe) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// withoutID takes a message apart, numbers exactly as they are written.
func withoutID(raw []byte) (rest map[string]any, id json.RawMessage) {
	var m map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimLeft(raw, "\xff"), &m) != nil {
		return map[string]any{"": string(raw)}, nil
	}
	rest = map[string]any{}
	for k, v := range m {
		if k == "id" {
			id = v
			continue
		}
		d := json.NewDecoder(bytes.NewReader(v))
		d.UseNumber()
		var x any
		_ = d.Decode(&x) // it is part of a value that was parsed
		rest[k] = x
	}
	return rest, id
}

// renumber gives a recorded reply the id that this client sent.
func (r *Replayer) renumber(raw []byte) []byte {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || m["id"] == nil {
		return bytes.Clone(raw)
	}
	id, known := r.ids[string(m["id"])]
	if !known || bytes.Equal(id, m["id"]) {
		return bytes.Clone(raw)
	}
	m["id"] = id
	line, err := json.Marshal(m)
	if err != nil {
		return bytes.Clone(raw)
	}
	return line
}
