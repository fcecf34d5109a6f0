package migration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// diagnosisPatience bounds the look at VMs that may be hung.
const diagnosisPatience = 3 * time.Second

// eventsShown is how many of a side's last events a diagnosis lists.
const eventsShown = 5

// diagnose says what can be seen of both sides after a step has failed, a
// sentence each. One that hangs takes no time from the other.
func (p *Pair) diagnose(ctx context.Context) []string {
	sides := p.Sides()
	said := make([][]string, len(sides))
	var looking sync.WaitGroup
	for i, s := range sides {
		looking.Go(func() { said[i] = p.diagnoseSide(ctx, s) })
	}
	looking.Wait()
	return slices.Concat(said...)
}

// noteUnexpectedEnds adds to why the story ended which QEMU has ended by itself. The other
// may have noticed first, and then says no more than that its connection broke.
func (p *Pair) noteUnexpectedEnds() {
	for _, s := range p.Sides() {
		state := s.ExitState()
		if state == nil || s.gaveUp || strings.Contains(p.Facts.Error, state.String()) {
			continue
		}
		p.Facts.Error += fmt.Sprintf("; the %s had ended by itself: %s", s.Name(), state)
		if words := s.lastWords(); words != "" {
			p.Facts.Error += ": " + words
		}
	}
}

func (p *Pair) diagnoseSide(ctx context.Context, s *Side) []string {
	if state := s.ExitState(); state != nil {
		return []string{fmt.Sprintf("the %s has ended: %s", s.Name(), state)}
	}
	said := []string{}
	if status, err := qapi.QueryStatus(ctx, s.QMP()); err != nil {
		said = append(said, fmt.Sprintf("the %s's monitor does not answer query-status: %v", s.Name(), err))
	} else {
		said = append(said, fmt.Sprintf("the %s's run state is %s", s.Name(), status.Status))
	}
	if info, err := qapi.QueryMigrate(ctx, s.QMP()); err == nil {
		said = append(said, fmt.Sprintf("the %s's migration status is %q %s", s.Name(), info.Status, info.ErrorDesc))
	}
	var names []string
	events, _ := s.events(ctx)
	for _, e := range events[max(0, len(events)-eventsShown):] {
		names = append(names, strings.TrimSpace(e.Name+" "+string(e.Data)))
	}
	said = append(said, fmt.Sprintf("the %s's last events: %s", s.Name(), strings.Join(names, ", ")))
	if p.Program.End == 0 {
		return said
	}
	return append(said, p.diagnoseCounter(ctx, s))
}

func (p *Pair) diagnoseCounter(ctx context.Context, s *Side) string {
	before, err := p.counter(ctx, s)
	if err != nil {
		return fmt.Sprintf("the %s's qtest server does not answer: %v", s.Name(), err)
	}
	const patience = 500 * time.Millisecond
	look, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	moved := poll(look, "the counter to move", func() (bool, error) {
		now, err := p.counter(look, s)
		return now != before, err
	})
	if moved != nil {
		return fmt.Sprintf("the guest's counter stands at %d on the %s", before.Value, s.Name())
	}
	return fmt.Sprintf("the guest's counter moves on the %s", s.Name())
}

// events returns what the side's log holds now, and how many it has dropped.
func (s *Side) events(ctx context.Context) (events []record.EventFacts, lost uint64) {
	now, cancel := context.WithCancel(ctx)
	cancel() // what has come, without a wait for more
	for e, err := range s.QMP().Events(now, 0) {
		if dropped, ok := errors.AsType[*qmp.LostError](err); ok {
			lost += dropped.Lost
			continue
		}
		if err != nil {
			break
		}
		events = append(events, record.EventFacts{Time: e.Time, Name: e.Name, Data: e.Data})
	}
	return events, lost
}

// saveDiagnoses keeps among the artifacts all that can be seen of the QEMUs that
// still live: registers, and their own threads' stacks where a debugger is there.
func (p *Pair) saveDiagnoses(ctx context.Context, dir string) {
	var looking sync.WaitGroup
	for _, s := range p.Sides() {
		if s.ExitState() == nil {
			looking.Go(func() {
				// What can't be written is missed by nobody: the record says the rest.
				_ = os.WriteFile(filepath.Join(dir, s.Name()+".diagnosis"), []byte(s.Diagnose(ctx).String()), 0o600)
			})
		}
	}
	looking.Wait()
}
