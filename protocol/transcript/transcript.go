// Package transcript records what goes over a QMP or qtest session, one line a
// message, and reads such records back.
package transcript

import "time"

// A Direction says who sent a message.
type Direction byte

const (
	Sent     Direction = '>' // by this side, to QEMU
	Received Direction = '<' // by QEMU, to this side
)

// A Message is one message as it went over the wire, without its line end.
// Data belongs to the sender of the message and is valid only during the
// call that hands it out.
type Message struct {
	Time      time.Time
	Direction Direction
	Data      []byte
}
