package qmp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 2, "minor": 1, "major": 8}, "package": "v8.1.2"}, "capabilities": ["oob"]}}` + "\r\n"

// A server is the other end of a session, led by the test message by message.
type server struct {
	t    testing.TB
	conn net.Conn
	in   *json.Decoder
}

// A request is what a server hears.
type request struct {
	Execute   string
	ExecOOB   string `json:"exec-oob"`
	Arguments json.RawMessage
	ID        uint64
}

// reset drops the byte that an agent's client sends first.
type reset struct{ net.Conn }

func (r reset) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	return copy(p, bytes.TrimPrefix(p[:n], []byte{0xff})), err
}

func newServer(t testing.TB, conn net.Conn) *server {
	return &server{t, conn, json.NewDecoder(reset{conn})}
}

func (s *server) say(format string, args ...any) {
	s.t.Helper()
	_, err := fmt.Fprintf(s.conn, format+"\r\n", args...)
	require.NoError(s.t, err)
}

// hear returns the next request, an empty one where the client has left.
func (s *server) hear() (r request) {
	if s.in.Decode(&r) != nil {
		return request{}
	}
	return r
}

func (s *server) answer(r request, value string) {
	s.t.Helper()
	s.say(`{"return": %s, "id": %d}`, value, r.ID)
}

// open starts a session with a server, past the handshake.
func open(t testing.TB, o qmp.Options) (*qmp.Session, *server) {
	t.Helper()
	client, peer := net.Pipe()
	s := newServer(t, peer)
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		s.say("%s", greeting)
		if r := s.hear(); r.Execute == "qmp_capabilities" {
			s.answer(r, "{}")
		}
	}()
	session, err := qmp.New(t.Context(), client, o)
	require.NoError(t, err)
	<-ready
	t.Cleanup(func() { _ = session.Close(); _ = peer.Close() })
	return session, s
}

// serve answers everything that is asked with what handle returns, until the
// client leaves.
func (s *server) serve(handle func(request) string) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			r := s.hear()
			if r.Execute == "" && r.ExecOOB == "" {
				return
			}
			if _, err := fmt.Fprintf(s.conn, "%s\r\n", handle(r)); err != nil {
				return
			}
		}
	}()
	return ended
}

// returning is a reply.
func returning(r request, value string) string {
	return fmt.Sprintf(`{"return": %s, "id": %d}`, value, r.ID)
}
