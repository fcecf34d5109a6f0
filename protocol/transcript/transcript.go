// Package transcript records what goes over a QMP or qtest session, one line a
// message, and reads such records back.
//
// A line is the time since the first message in seconds, the direction, and the
// message without its line end, with one space in between:
//
//	0.000000 < {"QMP": {"version": ...}}
//	0.000112 > {"execute": "qmp_capabilities", "id": 1}
//
// A message that has control characters in it, or isn't UTF-8, is written as a
// quoted Go string behind the direction and a q (<q, >q). One longer than
// Writer.Limit is cut, and says so behind the direction with its whole length
// (<+150000 or <q+150000); such a record is for people, it can't be replayed.
// Lines that begin with # are comments. Empty ones mean nothing.
package transcript

import "time"

// A Direction says who sent a message.
type Direction byte

const (
	Sent     Direction = '>' // by this side, to QEMU
	Received Direction = '<' // by QEMU, to this side
)

// A Message is one message as it went over the wire, without its line end. In
// a trace, Data belongs to who hands it out, and is valid during the call only.
type Message struct {
	Time      time.Time
	Direction Direction
	Data      []byte
	Cut       int // how long the message was, where Data is not all of it
}
