package migration

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
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
	for _, from := range procfs.StrangersOn(port, p.Source.PID(), procfs.Self) { // drover has a tap
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

// An arrival watches who comes to the port on which the destination listens, from before the
// source is told to connect until as many connections are there as the destination is to take,
// all of them the source's. Nobody else had a part in what follows then: QEMU sends away who
// comes later.
type arrival struct {
	ports                 []int
	channels              int   // that the source is to connect
	destination, expected []int // process ids
	wide                  bool  // with those that they have started
	before                int   // TCP connections that this host had taken
	done                  chan struct{}
	watching              sync.WaitGroup

	mu         sync.Mutex
	all, first bool // of the channels, were seen to come, and nobody else's
	strange    bool // somebody else's was seen
	held       time.Time
	closed     bool
	own        map[procfs.Ends]bool // the run's own connections
}

// watchArrival begins to watch, where the destination listens over TCP and the source is to be
// told to connect to it.
func (p *Pair) watchArrival(ctx context.Context, arguments any) {
	to, isURI := arguments.(qapi.MigrateArguments)
	elsewhere := isURI && to.URI != "" && to.URI != p.URI
	if p.arrival.end(); p.Destination == nil || elsewhere {
		p.arrival = nil
		return
	}
	info, _ := qapi.QueryMigrate(ctx, p.Destination.QMP()) // one that doesn't answer is met below
	a := &arrival{channels: p.channels(ctx), done: make(chan struct{}), own: map[procfs.Ends]bool{}}
	for _, at := range info.SocketAddress {
		if port, err := strconv.Atoi(at.Port); err == nil && at.Type == "inet" {
			a.ports = append(a.ports, port)
		}
	}
	if at := p.tcpPort(); len(a.ports) == 0 || !slices.Contains(a.ports, at) && !procfs.ListensTCP(procfs.Self, at) {
		p.arrival = nil
		return
	}
	a.before, _ = procfs.TCPTaken() // 0 rules nobody out
	a.destination, a.expected = []int{p.Destination.PID()}, []int{p.Source.PID(), procfs.Self}
	p.arrival = a
}

// holdTimeout is how long the source's first connection may take to come to a destination that
// is held: it needs no answer, and takes a millisecond.
const holdTimeout = 300 * time.Millisecond

// migrate tells the source to migrate. Over TCP the destination is stopped (SIGSTOP) until the
// source's first connection waits for it: so nobody else's can have been taken before.
func (p *Pair) migrate(ctx context.Context, arguments any) error {
	a := p.arrival
	if a == nil {
		return p.Source.Execute(ctx, "migrate", arguments)
	}
	defer a.watching.Go(a.watch)
	destination := p.Destination.PID()
	if err := procfs.Stop(ctx, destination); err != nil {
		return p.Source.Execute(ctx, "migrate", arguments) // it has ended, which its session tells
	}
	defer func() { _ = unix.Kill(destination, unix.SIGCONT) }()
	a.held = time.Now()
	now, err := procfs.ArrivalsAt(a.ports, a.destination, a.expected)
	if err == nil && now.Listening && now.Waiting+now.Came+now.Strange > 0 {
		p.Facts.Strangers = append(p.Facts.Strangers, fmt.Sprintf("port %d: %d connections before the source's", a.ports[0], max(now.Waiting, now.Came+now.Strange)))
		return &StartError{fmt.Errorf("somebody else connected to where the destination listens (port %d), before the source did; try again", a.ports[0])}
	}
	listens := err == nil && now.Listening // a script that has started the QEMU does not
	if err := p.Source.Execute(ctx, "migrate", arguments); err != nil || !listens {
		return err
	}
	wait, cancel := p.AtMost(ctx, holdTimeout)
	defer cancel()
	// What the kernel's table shows while others come and go may be wrong; what stays is not.
	_ = Poll(wait, "the source's connection", func() (bool, error) { return procfs.WaitsAt(a.ports) && a.lookHeld(), nil }) // else the watch goes on
	return nil
}

// lookHeld looks at the connections that wait for a destination that is held, and reports
// whether there is nothing more to see.
func (a *arrival) lookHeld() bool {
	now, err := procfs.ArrivalsAt(a.ports, a.destination, a.expected)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strange = err == nil && now.Came+now.Strange > 0 && now.Waiting > now.Came
	a.first = err == nil && now.Strange == 0 && now.Came > 0 && now.Waiting == now.Came
	a.all = a.first && now.Came >= a.channels
	return a.first
}

// channels is how many connections the source is to make.
func (p *Pair) channels(ctx context.Context) int {
	n := 1
	known, _ := qapi.QueryMigrateCapabilities(ctx, p.Source.QMP())
	if known["postcopy-preempt"] {
		n++
	}
	if known[string(qapi.CapMultifd)] {
		set, _ := qapi.QueryMigrateParameters(ctx, p.Source.QMP())
		more, _ := strconv.Atoi(string(set[string(qapi.ParamMultifdChannels)]))
		n += more
	}
	return n
}

// How often an arrival is looked for: most come within a few milliseconds.
const (
	arrivalFirst = time.Millisecond
	arrivalMost  = 50 * time.Millisecond
)

func (a *arrival) watch() {
	for pause := arrivalFirst; !a.look(); pause = min(pause*5/4, arrivalMost) {
		select {
		case <-time.After(pause):
		case <-a.done:
			return
		}
	}
}

// look looks once, and reports whether there is nothing more to see.
func (a *arrival) look() bool {
	now, err := procfs.ArrivalsAt(a.ports, a.destination, a.expected)
	if !a.wide && err == nil && (now.Strange > 0 || !now.Listening && now.Came == 0) {
		// A script may have started the QEMU. All of /proc is read for that, once.
		a.wide = true
		a.destination, a.expected = procfs.Processes(a.destination...), procfs.Processes(a.expected...)
		now, err = procfs.ArrivalsAt(a.ports, a.destination, a.expected)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ends := range now.Own {
		a.own[ends] = true
	}
	ours := err == nil && now.Strange == 0 && !a.strange
	a.first = a.first || ours && now.Came > 0
	a.all = a.all || ours && now.Came >= a.channels
	return a.all
}

// end ends the watch. It may be nil, and be called again.
func (a *arrival) end() {
	if a == nil {
		return
	}
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.done)
	}
	a.mu.Unlock()
	a.watching.Wait()
}

// doubt says why somebody else may have been taken for the source, "" where nobody was. Of a
// migration that was to fail, and did, the first of the channels is enough.
func (a *arrival) doubt(failed, connected bool) string {
	a.end()
	switch {
	case a == nil:
		return ""
	case a.strange:
		return fmt.Sprintf("somebody else connected to port %d, where the destination listens, beside the source; try again, or over a UNIX socket", a.ports[0])
	case a.all || a.first && !failed:
		return ""
	}
	taken, err := procfs.TCPTaken()
	if err == nil && connected && a.before > 0 && taken-a.before <= max(len(a.own), 1) {
		return ""
	}
	return fmt.Sprintf("drover did not see the source's connection taken on port %d, and this host took %d TCP connections meanwhile, %d of them the run's: somebody else's may have come first; try again, or over a UNIX socket",
		a.ports[0], taken-a.before, len(a.own))
}

// tookEarly says whether the destination had taken a connection before the source was told to
// make one.
func (p *Pair) tookEarly() bool {
	if p.arrival == nil || p.arrival.held.IsZero() || p.Destination == nil {
		return false
	}
	events, _ := p.Destination.Events(p.run.ctx)
	return slices.ContainsFunc(events, func(e record.EventFacts) bool {
		status := StatusOf(qmp.Event{Name: e.Name, Data: e.Data})
		return (status == qapi.MigrationActive || status == qapi.MigrationFailed) &&
			!e.Time.Before(p.Source.Facts.Began) && e.Time.Before(p.arrival.held)
	})
}

// sentAway is what a destination says of who comes when it has all its channels.
const sentAway = "Extra incoming migration connection"

// noteStrangers gathers who is connected that should not be, and whether anybody may have
// been, where a run has failed, or a migration that was to.
func (p *Pair) noteStrangers(failed bool) {
	if p.Source == nil || p.Facts.Source.Began.IsZero() {
		return
	}
	p.Facts.Strangers = append(p.Facts.Strangers, p.strangers()...)
	said := p.Facts.Error + p.Source.Stderr()
	if f := p.Facts.Failure; f != nil {
		said += f.Desc
	}
	p.Facts.Unsure = p.arrival.doubt(failed, !strings.Contains(said, "Connection refused"))
	if p.tookEarly() || p.arrival != nil && p.Destination != nil && strings.Contains(p.Destination.Stderr(), sentAway) {
		p.Facts.Unsure = "somebody else connected to where the destination listens as well; try again, or over a UNIX socket"
	}
	if p.Facts.Unsure == "" && failed {
		p.Facts.Unsure = p.unsure
	}
}

// Unsure notes, in a clause, who else than QEMU may be to blame where the run fails.
func (p *Pair) Unsure(why string) { p.unsure = why }
