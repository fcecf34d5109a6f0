package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// A guest that uses what its machine has notices itself what it lost.
func pulseVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect pulse", Args: "[alarm [rates]]", Sides: migration.OnDestination,
			Doc:     "Within a second all that the guest program counts has gone on (timers, interrupts, vCPUs), and it has found nothing of its machine changed; the guest must run there, and be the one of \"guest pulse\"; alarm, also the real-time clock's, which comes once a second; rates, its timers come as often as they were set to.",
			Example: "expect pulse",
			Step: func(a *migration.Args) migration.Step {
				alarm := a.Option("alarm")
				return ExpectPulse(a.Side(), alarm, alarm && a.Option("rates"))
			},
		},
	}
}

// pulseTimeout is how long what the guest program counts may stand still. The slowest of them
// moves twice within a tenth of a second.
const pulseTimeout = time.Second

// alarmTimeout is how long the alarm may, which comes once a second.
const alarmTimeout = pulseTimeout + pulseTimeout/4

// ExpectPulse gathers what a side's guest program says of its machine: whether all that it
// counts goes on, and whether it has found anything wrong. The sides are source, destination
// or both. With the alarm, what comes once a second is waited for as well; with rates, how often
// timers come is measured.
func ExpectPulse(on string, alarm, rates bool) migration.Step {
	s := gathering(record.FactPulse, step("expect pulse", func(ctx context.Context, p *migration.Pair) error {
		if p.Program.Table == nil {
			return fmt.Errorf("the guest program %s does not say what it sees of its machine: declare \"guest %s\"", p.Program.Name, fixtures.Pulse)
		}
		return each(p, on, func(s *migration.Side) error {
			look, err := lookAtPulse(ctx, p, s, alarm)
			if err != nil {
				return err
			}
			p.Facts.Pulse = append(p.Facts.Pulse, look.facts)
			if rates {
				return look.measureRates(ctx, p)
			}
			return nil
		})
	}))
	s.Wants = []string{"boot"}
	if on != migration.SourceName {
		s.Wants = append(s.Wants, "migrate")
	}
	return s
}

// A pulseLook is one look at what the guest program says on a side.
type pulseLook struct {
	memory interface { // the side's, by qtest
		Readl(ctx context.Context, address uint64) (uint32, error)
		Writel(ctx context.Context, address uint64, value uint32) error
	}
	began time.Time
	facts record.PulseFacts
	table []fixtures.Word // those of the facts' words, in their order
	first []time.Time     // when each of them was first read
}

// lookAtPulse watches one side, until all has moved or the time is over.
func lookAtPulse(ctx context.Context, p *migration.Pair, s *migration.Side, alarm bool) (*pulseLook, error) {
	look := &pulseLook{memory: s.QTest(), began: time.Now(), facts: record.PulseFacts{Side: s.Name(), Slow: alarm}}
	f := &look.facts
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if f.Running, f.Status = status.Running, status.Status; err != nil {
		return look, err
	}
	cpus, err := qapi.QueryCPUsFast(ctx, s.QMP())
	if f.VCPUs = len(cpus); err != nil || !f.Running {
		return look, err
	}
	left := s
	if s.Name() == migration.DestinationName {
		left, f.Arrived = p.Source, true
		look.began = resumed(ctx, s, look.began)
	}
	if err := look.start(ctx, p.Program.Table, left); err != nil {
		return look, err
	}
	if err := look.askForInput(ctx, p.Program.Input); err != nil {
		return look, err
	}
	timeout := pulseTimeout
	if alarm {
		timeout = alarmTimeout
	}
	wait, cancel := p.AtMost(ctx, timeout)
	defer cancel()
	// What has not moved when the time is over is for the check.
	waited := migration.Poll(wait, "all that the guest counts to go on", func() (bool, error) { return look.allMoved(wait) })
	if wait.Err() == nil && waited != nil {
		return look, waited
	}
	if ctx.Err() != nil {
		return look, context.Cause(ctx)
	}
	if err := look.end(ctx); err != nil {
		return look, err
	}
	return look, look.sendInputAgain(ctx, s, p.Program.Input)
}

// resumed is when the side's guest began to run, by its events; otherwise where none tells.
func resumed(ctx context.Context, s *migration.Side, otherwise time.Time) time.Time {
	events, _ := s.Events(ctx)
	for _, e := range slices.Backward(events) {
		if e.Name == "RESUME" {
			return e.Time
		}
	}
	return otherwise
}

// start takes the words as they are, and as they were left.
func (l *pulseLook) start(ctx context.Context, table []fixtures.Word, left *migration.Side) error {
	for _, w := range table {
		if !w.On(l.facts.VCPUs) {
			continue
		}
		before, err := left.QTest().Readl(ctx, w.Address)
		if err != nil {
			return err
		}
		first, err := l.memory.Readl(ctx, w.Address)
		if err != nil {
			return err
		}
		l.table = append(l.table, w)
		l.facts.Words = append(l.facts.Words, record.PulseWord{Name: w.Name, Source: before, First: first, Last: first})
		l.first = append(l.first, time.Now())
	}
	return nil
}

// read takes a word of the side's memory. One that the end of the wait cuts short leaves what
// was there: it would look as if the guest had counted on to 0.
func (l *pulseLook) read(ctx context.Context, address uint64, to *uint32) error {
	value, err := l.memory.Readl(ctx, address)
	if err == nil {
		*to = value
	}
	return err
}

func (l *pulseLook) allMoved(ctx context.Context) (bool, error) {
	all := true
	for i, w := range l.table {
		word := &l.facts.Words[i]
		if w.Kind != fixtures.CountsUp || word.Moved(w) || w.Slow && !l.facts.Slow {
			continue
		}
		if err := l.read(ctx, w.Address, &word.Last); err != nil {
			return false, err
		}
		all = all && word.Moved(w)
	}
	return all, nil
}

// end takes the words as they are in the end; one that has moved is left at that.
func (l *pulseLook) end(ctx context.Context) error {
	for i, w := range l.table {
		word := &l.facts.Words[i]
		if w.Kind == fixtures.CountsUp && word.Moved(w) {
			continue
		}
		if err := l.read(ctx, w.Address, &word.Last); err != nil {
			return err
		}
		if word.Last == 0 {
			continue
		}
		var behind []*uint32
		switch {
		case w.Kind == fixtures.WrongBits:
			behind = []*uint32{&word.Expected, &word.Found, &word.Bit}
		case w.Stack:
			word.Stack = make([]uint32, 2)
			behind = []*uint32{&word.Stack[0], &word.Stack[1]}
		}
		for n, to := range behind {
			if err := l.read(ctx, w.Address+4*uint64(n+1), to); err != nil {
				return err
			}
		}
	}
	l.facts.Seconds = time.Since(l.began).Seconds()
	return nil
}
