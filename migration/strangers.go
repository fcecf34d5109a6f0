package migration

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

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

// checkStrangers makes sure that nobody is connected, or has been, before the source
// connects.
func (p *Pair) checkStrangers(ctx context.Context) error {
	if found := p.strangers(); len(found) > 0 {
		p.Facts.Strangers = append(p.Facts.Strangers, found...)
		return &StartError{fmt.Errorf("somebody else connected to where the destination listens (%s): try again", strings.Join(found, ", "))}
	}
	if p.tcpPort() == 0 || p.Destination == nil || p.Destination.mayEnd {
		return nil
	}
	if met := p.met(ctx); met != "" {
		found := "somebody who was gone when drover looked: the destination " + met
		p.Facts.Strangers = append(p.Facts.Strangers, found)
		return &StartError{fmt.Errorf("somebody else connected to where the destination listens, before the source did: it %s; try again", met)}
	}
	return nil
}

// met is what has become of a destination that listens over TCP, and that nobody should
// have connected to; "" where it waits.
func (p *Pair) met(ctx context.Context) string {
	info, err := qapi.QueryMigrate(ctx, p.Destination.QMP())
	switch {
	case p.Destination.ExitState() != nil:
		return "has exited, " + p.Destination.ExitState().String()
	case err != nil:
		return "does not answer: " + err.Error()
	case info.Status == qapi.MigrationActive || info.Status == qapi.MigrationFailed:
		return "has begun to read what somebody sent (its migration status is " + string(info.Status) + ")"
	}
	return ""
}

// noteStrangers gathers who is connected that should not be, after a failure.
func (p *Pair) noteStrangers() {
	if p.Source == nil || p.Facts.Source.Began.IsZero() {
		return
	}
	p.Facts.Strangers = append(p.Facts.Strangers, p.strangers()...)
}
