package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// A guest that uses what its machine has notices itself what it lost.
func pulseVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect pulse", Sides: migration.OnDestination,
			Doc:     "Within a second all that the guest program counts has gone on (timers, interrupts, vCPUs), and it has found nothing of its machine changed; the guest must run there, and be the one of \"guest pulse\".",
			Example: "expect pulse",
			Step:    func(a *migration.Args) migration.Step { return ExpectPulse(a.Side()) },
		},
	}
}

// pulseTimeout is how long what the guest program counts may stand still. The slowest of them
// moves twice within a tenth of a second.
const pulseTimeout = time.Second

// leastMoves is by how much each has to move: a round that counts begins with the count, so
// after two the guest program has looked at everything.
const leastMoves = 2

// ExpectPulse demands of a side's guest that all that it counts goes on, and that it has found
// nothing wrong. The sides are source, destination or both; on the destination the
// sentence also has what the source counted.
func ExpectPulse(on string) migration.Step {
	s := step("expect pulse", func(ctx context.Context, p *migration.Pair) error {
		if p.Program.Table == nil {
			return fmt.Errorf("the guest program %s does not say what it sees of its machine: declare \"guest %s\"", p.Program.Name, fixtures.Pulse)
		}
		return each(p, on, func(s *migration.Side) error { return expectPulse(ctx, p, s) })
	})
	s.Wants = []string{"boot"}
	if on != migration.SourceName {
		s.Wants = append(s.Wants, "migrate")
	}
	return s
}

// A pulseWord is a word of the table: as the source's guest left it, where it is held
// against that, at the first look, and now.
type pulseWord struct {
	fixtures.Word
	before, first, now uint32
}

func (w *pulseWord) moved() bool { return w.now-w.first >= leastMoves }

// expectPulse watches one side.
func expectPulse(ctx context.Context, p *migration.Pair, s *migration.Side) error {
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err != nil {
		return err
	}
	if !status.Running {
		return fmt.Errorf("the %s's guest does not run: its run state is %s", s.Name(), status.Status)
	}
	cpus, err := qapi.QueryCPUsFast(ctx, s.QMP())
	if err != nil {
		return err
	}
	look := &pulseLook{side: s, vcpus: len(cpus), began: time.Now()}
	left := s
	if s.Name() == migration.DestinationName {
		left, look.arrived = p.Source, true
		look.began = resumed(ctx, s, look.began)
	}
	if err := look.start(ctx, p.Program.Table, left); err != nil {
		return err
	}
	wait, cancel := p.AtMost(ctx, pulseTimeout)
	defer cancel()
	// What has not moved when the time is over is named below.
	waited := migration.Poll(wait, "all that the guest counts to go on", func() (bool, error) { return look.allMoved(wait) })
	if wait.Err() == nil && waited != nil {
		return waited
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return look.judge(ctx)
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

// A pulseLook is one look at what the guest program says on a side.
type pulseLook struct {
	side    *migration.Side
	arrived bool // the words before are those that the source's guest left
	vcpus   int
	began   time.Time
	words   []*pulseWord
}

// start takes the words as they are, and as they were left.
func (l *pulseLook) start(ctx context.Context, table []fixtures.Word, left *migration.Side) error {
	for _, w := range table {
		if !w.On(l.vcpus) {
			continue
		}
		before, err := left.QTest().Readl(ctx, w.Address)
		if err != nil {
			return err
		}
		first, err := l.side.QTest().Readl(ctx, w.Address)
		if err != nil {
			return err
		}
		l.words = append(l.words, &pulseWord{Word: w, before: before, first: first, now: first})
	}
	return nil
}

func (l *pulseLook) allMoved(ctx context.Context) (all bool, err error) {
	all = true
	for _, w := range l.words {
		if w.Kind != fixtures.CountsUp || w.moved() {
			continue
		}
		if w.now, err = l.side.QTest().Readl(ctx, w.Address); err != nil {
			return false, err
		}
		all = all && w.moved()
	}
	return all, nil
}

// judge says in a sentence each what does not go on and what is wrong.
func (l *pulseLook) judge(ctx context.Context) error {
	var wrong []string
	for _, w := range l.words {
		now, err := l.side.QTest().Readl(ctx, w.Address)
		if err != nil {
			return err
		}
		if w.now = now; w.Kind == fixtures.CountsUp && w.moved() {
			continue
		}
		sentence, err := l.witness(ctx, w)
		if err != nil {
			return err
		}
		if sentence != "" {
			wrong = append(wrong, sentence)
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// witness says what is wrong with a word, "" for nothing.
func (l *pulseLook) witness(ctx context.Context, w *pulseWord) (string, error) {
	name, where := w.Name, "on the "+l.side.Name()
	switch {
	case w.Kind == fixtures.CountsUp && l.arrived:
		return fmt.Sprintf("%s has stopped: %d %s on the source, %d %.1f s after arrival", name, w.before, w.Unit, w.now, l.seconds()), nil
	case w.Kind == fixtures.CountsUp:
		return fmt.Sprintf("%s has stopped %s: %d %s, %d %.1f s later", name, where, w.first, w.Unit, w.now, l.seconds()), nil
	case w.Kind == fixtures.HasThatMany && int(w.now) != l.vcpus:
		return fmt.Sprintf("%s are %d %s, expected %d", name, w.now, where, l.vcpus), nil
	case w.Kind == fixtures.MustStay0 && w.now != 0:
		return fmt.Sprintf("%s %s: %d, expected 0", name, where, w.now) + l.already(w), nil
	case w.Kind == fixtures.WrongBits && w.now != 0:
		return l.wrongBits(ctx, w)
	}
	return "", nil
}

func (l *pulseLook) seconds() float64 { return time.Since(l.began).Seconds() }

// already says so of what the source's guest had noticed itself.
func (l *pulseLook) already(w *pulseWord) string {
	if l.arrived && w.before != 0 {
		return ", as on the source already"
	}
	return ""
}

// wrongBits names what the bits of a bitmap stand for, and what the guest program expected
// and found where it noticed the first.
func (l *pulseLook) wrongBits(ctx context.Context, w *pulseWord) (string, error) {
	var of [3]uint32 // expected, found, and which bit
	for i := range of {
		word, err := l.side.QTest().Readl(ctx, w.Address+4*uint64(i+1))
		if err != nil {
			return "", err
		}
		of[i] = word
	}
	var all []string
	for bit := range 32 {
		if w.now>>bit&1 == 0 {
			continue
		}
		name := fmt.Sprintf("bit %d", bit)
		if bit < len(w.Bits) {
			name = w.Bits[bit]
		}
		if uint32(bit) == of[2] && of[0] != of[1] {
			name += fmt.Sprintf(" (expected %#x, found %#x)", of[0], of[1])
		}
		all = append(all, name)
	}
	return fmt.Sprintf("%s changed on the %s: %s", w.Name, l.side.Name(), strings.Join(all, ", ")) + l.already(w), nil
}
