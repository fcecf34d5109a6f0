package migration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// quitBoth sends quit to the QEMUs, and gathers how they end and what they leave.
func quitBoth() Step {
	return Step{Name: "quit", Phase: record.PhaseTeardown, Do: func(ctx context.Context, p *Pair) error {
		p.gatherLogs(ctx)
		facts := &record.TeardownFacts{Exits: make([]record.ExitFacts, len(p.Sides()))}
		p.Facts.Teardown = facts
		facts.Left = p.childrenLeft(ctx)
		var quitting sync.WaitGroup
		for i, s := range p.Sides() {
			quitting.Go(func() { facts.Exits[i] = p.Quit(ctx, s) })
		}
		quitting.Wait()
		p.run.removeSockets()
		facts.Left = append(facts.Left, p.leftovers()...)
		return nil
	}}
}

// quitTimeout is how long a QEMU may take to end after quit. It takes some 50 ms.
const quitTimeout = 3 * time.Second

// Quit sends quit to a side's QEMU, and returns how it ended. One that has ended by itself,
// as the steps wanted it, has ended cleanly.
func (p *Pair) Quit(ctx context.Context, s *Side) record.ExitFacts {
	exit := record.ExitFacts{Side: s.Name()}
	if s.mayEnd && s.ExitState() != nil {
		exit.State, exit.Clean = s.ExitState().String(), true
		exit.Reason = "it exited by itself, as expected"
		_ = s.Close()
		return exit
	}
	ctx, cancel := p.AtMost(ctx, quitTimeout)
	defer cancel()
	err := s.VM.Quit(ctx)
	if err != nil {
		exit.Reason = err.Error()
	}
	_ = s.Close()
	exit.State = s.ExitState().String()
	if ctx.Err() != nil {
		exit.Late = s.ExitState().Success()
		exit.State += fmt.Sprintf(", and not within %s,", p.Stretch(quitTimeout))
	}
	exit.Clean = err == nil && s.ExitState().Success()
	if s.mayEnd && ctx.Err() == nil && s.ExitState().ExitCode() == 1 { // before quit came
		exit.Reason, exit.Clean = "it exited by itself, as expected", true
	}
	return exit
}

// leftovers names what is still there of VMs that have been closed.
func (p *Pair) leftovers() []string {
	var left []string
	if _, err := os.Lstat(p.Path("")); err == nil {
		left = append(left, p.Path(""))
	}
	for _, s := range p.Sides() {
		// Our child is reaped, so a process that is found is one that took
		// its folder of descriptors along, or a stranger with its number.
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.PID()))
		if err == nil && strings.Contains(string(cmdline), s.VM.Name()+",debug-threads=on") {
			left = append(left, fmt.Sprintf("process %d (%s)", s.PID(), s.Name()))
		}
	}
	return left
}

// childrenLeft lists which processes that a QEMU has started are still there, once they
// have had time to end. The launcher ends them with their QEMU, so nobody else would see
// them.
func (p *Pair) childrenLeft(ctx context.Context) (left []string) {
	wait, cancel := p.AtMost(ctx, releaseTimeout)
	defer cancel()
	_ = Poll(wait, "what the QEMUs have started to end", func() (bool, error) {
		left = nil
		of := map[int]string{}
		for _, s := range p.Sides() {
			of[s.PID()] = s.Name()
		}
		for _, child := range procfs.ChildrenOf(slices.Collect(maps.Keys(of))...) {
			left = append(left, fmt.Sprintf("process %d (%s), which the %s had started", child.PID, child.Name, of[child.Parent]))
		}
		return len(left) == 0, nil
	})
	return left
}

// consoleKept is how much of the end of a console a record has, in bytes.
const consoleKept = 4096

// gatherLogs keeps the events, and the end of the console and of the error output.
func (p *Pair) gatherLogs(ctx context.Context) {
	p.run.noteHost(p)
	for _, do := range p.gather {
		do()
	}
	for _, s := range p.Sides() {
		s.Facts.Events, s.Facts.EventsLost = s.Events(ctx)
		output := s.Console().Since(0)
		s.Facts.Console = string(output[max(0, len(output)-consoleKept):])
		s.Facts.Stderr, s.Facts.StderrLost = s.Stderr(), s.StderrLost()
	}
}
