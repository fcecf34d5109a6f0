package record

import (
	"encoding/json"
	"time"
)

// SideFacts describe one QEMU.
type SideFacts struct {
	Binary      string
	Version     string
	Package     string `json:",omitempty"`
	CommandLine string
	Began       time.Time    // when the last migration was asked for; zero on who receives
	Stopped     time.Time    // when the scenario stopped the guest before that; zero where it did not
	Events      []EventFacts `json:",omitempty"`
	EventsLost  uint64       `json:",omitempty"`
	Console     string       `json:",omitempty"` // its end
	Stderr      string       `json:",omitempty"` // its end
	StderrLost  uint64       `json:",omitempty"` // bytes before that which were not kept
	SaidBefore  string       `json:",omitempty"` // Stderr when the last migration was asked for
}

// EventFacts are one QMP event.
type EventFacts struct {
	Time time.Time
	Name string
	Data json.RawMessage `json:",omitempty"`

	read   bool   // whether status is what Data has
	status string // of a MIGRATION event
}

// MigrationFacts are what the source reports of the migration when it has ended.
type MigrationFacts struct {
	TotalMS    int64
	DowntimeMS int64
	SetupMS    int64
	Passes     int64 // dirty bitmap syncs
	Bytes      uint64
	Source     json.RawMessage // the source's whole reply to query-migrate
	// The destination's reply; a QEMU without one leaves it empty.
	Destination json.RawMessage `json:",omitempty"`
}

// LinkFacts are what went over the link between the sides, seen from outside.
type LinkFacts struct {
	Connections []ConnectionFacts // in the order in which the source made them
}

// ConnectionFacts are what went over one connection.
type ConnectionFacts struct {
	Forward int64  // bytes towards the destination
	Back    int64  // bytes towards the source
	First   []byte // the first that went to the destination
}

// sides are both QEMUs by name, without those of which the record has nothing.
func (r *Record) sides() (sides []namedSide) {
	if r.Source != nil {
		sides = append(sides, namedSide{"source", r.Source})
	}
	if r.Destination != nil {
		sides = append(sides, namedSide{"destination", r.Destination})
	}
	return sides
}

type namedSide struct {
	name string
	*SideFacts
}

// leaving is when the guest was first made to leave.
func (s *SideFacts) leaving() time.Time {
	if !s.Stopped.IsZero() {
		return s.Stopped
	}
	return s.Began
}
