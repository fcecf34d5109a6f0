package host

import "fmt"

// DirtyRingError says that pages a guest wrote were missing from KVM's dirty ring.
type DirtyRingError struct {
	Written  int // pages that the guest wrote until the first was missing
	Reported int // those of them that the ring reported
}

func (e *DirtyRingError) Error() string {
	return fmt.Sprintf("this host's KVM loses entries of its dirty ring: of %d pages that a small guest wrote, it reported %d", e.Written, e.Reported)
}

// pageSize is a page of the guest.
const pageSize = 4096

// A ringCheck compares what a guest wrote with what the ring reported, each time the
// guest is paused.
type ringCheck struct {
	memory            []byte // the guest's; the first byte of each page is counted up
	before            []byte // that byte of each page, at the last look
	written, reported int
}

func newRingCheck(memory []byte) *ringCheck {
	return &ringCheck{memory: memory, before: make([]byte, len(memory)/pageSize)}
}

// look takes the pages that the ring reported since the last look. That it reports more
// than were written is allowed.
func (c *ringCheck) look(reported map[int]bool) error {
	all := true
	for page := range c.before {
		now := c.memory[page*pageSize]
		if now == c.before[page] {
			continue
		}
		c.before[page] = now
		c.written++
		if reported[page] {
			c.reported++
		}
		all = all && reported[page]
	}
	if !all {
		return &DirtyRingError{Written: c.written, Reported: c.reported}
	}
	return nil
}
