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

	"github.com/drover-vm/drover/migration/record"
)

// diagnosisTimeout bounds the look at VMs that may hang.
const diagnosisTimeout = 3 * time.Second

// eventsShown is how many of a side's last events a diagnosis lists.
const eventsShown = 5

// holdIfAnyFails lets a person look at VMs whose steps went well and whose
// facts fail a check, before they get quit.
func (r *run) holdIfAnyFails() Step {
	return Step{Name: "judge before the end", Do: func(ctx context.Context, p *Pair) error {
		p.gatherLogs(ctx)
		for _, v := range record.Judge(p.Facts) {
			if v.Outcome == record.Fail {
				_ = r.artifacts.Keep()
				r.options.Hold(r.ctx, p, r.dir)
				break
			}
		}
		return nil
	}}
}

// afterFailure gathers what a person needs to find out why, and lets them look.
func (r *run) afterFailure(ctx context.Context, p *Pair, failed error) {
	p.Facts.Error = failed.Error()
	if ctx.Err() == nil {
		look, cancel := context.WithTimeout(ctx, diagnosisTimeout)
		p.Facts.Diagnosis = p.diagnose(look)
		p.gatherLogs(look)
		cancel()
		p.saveDiagnoses(ctx, r.dir, errors.Is(failed, context.DeadlineExceeded))
		p.noteUnexpectedEnds()
		if r.options.Hold != nil && len(p.Sides()) > 0 {
			_ = r.artifacts.Keep()
			r.options.Hold(ctx, p, r.dir)
		}
	}
}

// diagnose lists what can be seen of both sides after a step has failed, a
// sentence each. One that hangs takes no time from the other.
func (p *Pair) diagnose(ctx context.Context) []string {
	sides := p.Sides()
	found := make([][]string, len(sides))
	var looking sync.WaitGroup
	for i, s := range sides {
		looking.Go(func() { found[i] = p.diagnoseSide(ctx, s) })
	}
	looking.Wait()
	return slices.Concat(found...)
}

// noteUnexpectedEnds adds to the error of a run which QEMU has ended by itself. The other
// may have noticed first, and then reports no more than that its connection broke.
func (p *Pair) noteUnexpectedEnds() {
	for _, s := range p.Sides() {
		state := s.ExitState()
		if state == nil || s.mayEnd || strings.Contains(p.Facts.Error, state.String()) {
			continue
		}
		p.Facts.Error += fmt.Sprintf("; the %s had exited by itself: %s", s.Name(), state)
		if last := s.lastLine(); last != "" {
			p.Facts.Error += ": " + last
		}
	}
}

func (p *Pair) diagnoseSide(ctx context.Context, s *Side) []string {
	if state := s.ExitState(); state != nil {
		return []string{fmt.Sprintf("the %s has exited: %s", s.Name(), state)}
	}
	found := []string{}
	if status, err := qapi.QueryStatus(ctx, s.QMP()); err != nil {
		found = append(found, fmt.Sprintf("the %s's monitor does not answer query-status: %v", s.Name(), err))
	} else {
		found = append(found, fmt.Sprintf("the %s's run state is %s", s.Name(), status.Status))
	}
	if info, err := qapi.QueryMigrate(ctx, s.QMP()); err == nil {
		found = append(found, fmt.Sprintf("the %s's migration status is %q %s", s.Name(), info.Status, info.ErrorDesc))
	}
	var names []string
	events, _ := s.Events(ctx)
	for _, e := range events[max(0, len(events)-eventsShown):] {
		names = append(names, strings.TrimSpace(e.Name+" "+string(e.Data)))
	}
	found = append(found, fmt.Sprintf("the %s's last events: %s", s.Name(), strings.Join(names, ", ")))
	if p.Program.End == 0 {
		return found
	}
	return append(found, p.diagnoseCounter(ctx, s))
}

func (p *Pair) diagnoseCounter(ctx context.Context, s *Side) string {
	before, err := p.Counter(ctx, s)
	if err != nil {
		return fmt.Sprintf("the %s's qtest server does not answer: %v", s.Name(), err)
	}
	const timeout = 500 * time.Millisecond
	look, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	moved := Poll(look, "the counter to move", func() (bool, error) {
		now, err := p.Counter(look, s)
		return now != before, err
	})
	if moved != nil {
		return fmt.Sprintf("the guest's counter stays at %d on the %s", before.Value, s.Name())
	}
	return fmt.Sprintf("the guest's counter moves on the %s", s.Name())
}

// saveDiagnoses keeps among the artifacts all that can be seen of the QEMUs that
// still live: registers, and where a step timed out, or a monitor does not
// answer, their own threads' stacks, if a debugger is there. To have them takes a second.
func (p *Pair) saveDiagnoses(ctx context.Context, dir string, hangs bool) {
	see := (*Side).Observe
	if hangs {
		see = (*Side).Diagnose
	}
	var looking sync.WaitGroup
	for _, s := range p.Sides() {
		if s.ExitState() == nil {
			looking.Go(func() {
				// What can't be written is left out: the record has the rest.
				_ = os.WriteFile(filepath.Join(dir, s.Name()+".diagnosis"), []byte(see(s, ctx).String()), 0o600)
			})
		}
	}
	looking.Wait()
}
