package fakeqemu_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client is a QMP client of a few lines, which keeps what it gets in order.
type client struct {
	t      testing.TB
	conn   io.ReadWriter
	values *json.Decoder
	events []string
}

// A reply is any message from the server.
type reply struct {
	QMP    json.RawMessage
	Return json.RawMessage
	ID     json.RawMessage
	Event  string
	Data   json.RawMessage
	Error  *struct{ Class, Desc string }
}

func connect(t testing.TB, conn io.ReadWriter) *client {
	c := &client{t: t, conn: conn, values: json.NewDecoder(conn)}
	require.NotNil(t, c.next().QMP)
	require.Nil(t, c.ask(`{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}`).Error)
	return c
}

func (c *client) next() (r reply) {
	require.NoError(c.t, c.values.Decode(&r))
	return r
}

func (c *client) send(request string) {
	_, err := io.WriteString(c.conn, request)
	require.NoError(c.t, err)
}

// ask returns the next reply, and keeps the events before it.
func (c *client) ask(request string) reply {
	c.send(request)
	for {
		r := c.next()
		if r.Event == "" {
			return r
		}
		c.events = append(c.events, r.Event)
	}
}

// await reads until an event of that name, and keeps those before it.
func (c *client) await(event string) reply {
	for {
		r := c.next()
		c.events = append(c.events, r.Event)
		if r.Event == event {
			return r
		}
	}
}
