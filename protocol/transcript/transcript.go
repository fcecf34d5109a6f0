package transcript

import "time"

// A Direction is which side sent a message.
type Direction byte

const (
	Sent     Direction = '>' // by this side, to QEMU
	Received Direction = '<' // by QEMU, to this side
)

// A Message is one message as it went over the wire, without its line end. In
// a trace, Data belongs to the caller that hands it out, and is valid during the call only.
type Message struct {
	Time      time.Time
	Direction Direction
	Data      []byte
	Cut       int // how long the message was, where Data is not all of it
}
