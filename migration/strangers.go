package migration

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

// A destination's TCP port is open to everybody on this host, and QEMU takes the first
// that comes. Where somebody else has come, nothing that follows is about migration.

// tcpPort is the port that the source is to connect to; 0 where it isn't over TCP.
func (p *Pair) tcpPort() int {
	address, ok := strings.CutPrefix(p.URI, "tcp:")
	if !ok {
		return 0
	}
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	return port
}

// strangers are the connections to the destination's port that are neither the source's nor
// drover's own.
func (p *Pair) strangers() (found []string) {
	port := p.tcpPort()
	if port == 0 || p.Destination == nil {
		return nil
	}
	for _, from := range procfs.StrangersOn(port, p.Source.PID()) {
		if !slices.Contains(procfs.StrangersOn(port, procfs.Self), from) {
			continue // drover's, from a tap
		}
		found = append(found, fmt.Sprintf("port %d: %s", port, from))
	}
	return found
}

// checkStrangers makes sure that nobody is connected before the source does.
func (p *Pair) checkStrangers() error {
	if found := p.strangers(); len(found) > 0 {
		p.Facts.Strangers = append(p.Facts.Strangers, found...)
		return &StartError{fmt.Errorf("somebody else connected to where the destination listens (%s): try again", strings.Join(found, ", "))}
	}
	return nil
}

// noteStrangers gathers connections that should not be there, after a failure.
func (p *Pair) noteStrangers() {
	if p.Source == nil || p.Facts.Source.Began.IsZero() {
		return
	}
	p.Facts.Strangers = append(p.Facts.Strangers, p.strangers()...)
}
