package migration

import (
	"context"
	"errors"
	"time"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// errNotLinux says that a step is about a guest that the scenario doesn't have.
var errNotLinux = errors.New(`the guest is not Linux: declare "guest linux"`)

// errNoCounter says that a step looks at what only a guest program has.
var errNoCounter = errors.New("the guest is Linux, and has no counter in its memory that could be looked at")

// Linux is what a Linux guest has said so far; nil where the guest is none.
func (p *Pair) Linux() *guest.Session {
	if p.run == nil || p.run.linux == nil {
		return nil
	}
	p.hear()
	return p.run.linux.heard
}

// stream is what the guest talks through on a side.
func (l *linuxRun) stream(s *Side) *launcher.Console {
	if port := s.Port(); port != nil {
		return port
	}
	return s.Console()
}

// hear takes what has come from the guest, the source's before the destination's.
func (p *Pair) hear() {
	l := p.run.linux
	for _, s := range p.Sides() {
		if _, known := l.places[s]; !known {
			if l.places[s] = 0; s.Name() == DestinationName {
				l.heard.NewStream(s.Name())
			}
		}
		for _, c := range l.stream(s).Chunks(l.places[s]) {
			l.heard.Feed(s.Name(), c.Time, c.Bytes)
			l.places[s] = c.Next()
		}
	}
}

// HearUntil waits until a Linux guest has said enough, on that side; enough is asked whenever
// there is more from it. The error says what was waited for.
func (p *Pair) HearUntil(ctx context.Context, s *Side, what string, enough func(*guest.Session) bool) error {
	l := p.run.linux
	if l == nil {
		return errNotLinux
	}
	_, err := l.stream(s).WaitFunc(ctx, l.places[s], what, func(output []byte) (int, error) {
		if p.hear(); enough(l.heard) {
			return len(output), nil
		}
		return -1, nil
	})
	return err
}

// Tell sends a command to a Linux guest on that side, and returns its number. The answer is
// for HearUntil. Worker is the one that is meant by start and stop; empty means all.
func (p *Pair) Tell(ctx context.Context, s *Side, verb wire.Verb, worker string) (number uint64, err error) {
	l := p.run.linux
	if l == nil {
		return 0, errNotLinux
	}
	number, text := l.heard.Command(verb, worker)
	return number, l.stream(s).Send(ctx, string(text))
}

// AwaitBootOn waits until a Linux guest runs, and all its workers have looked at what they have
// once, on that side or before it came there. One that is to boot again has been announced with
// guest.Session.ExpectRestart before.
func (p *Pair) AwaitBootOn(ctx context.Context, s *Side) error {
	l := p.run.linux
	if l == nil {
		return errNotLinux
	}
	err := p.HearUntil(ctx, s, "the guest's workers to begin", func(g *guest.Session) bool { return g.Began(l.running()) })
	if err != nil && s.Facts.Began.IsZero() && p.Facts.Legs == nil && s.ExitState() == nil && s == p.Source {
		return &StartError{err} // nothing is known of migration
	}
	if err != nil {
		return err
	}
	hello, f := l.heard.Hello(), p.Facts.Linux
	f.Kernel, f.Online, f.Port, f.BootSeconds = hello.Kernel, hello.CPUs, hello.Port, hello.Boot
	_, err = p.hearCounts(ctx, s, wire.Tell) // the first question, which says that it has booted
	return err
}

// swapped notes that the guest goes on from where it was the destination.
func (l *linuxRun) swapped() {
	if l != nil {
		l.heard.Renamed(DestinationName, SourceName)
	}
}

// watchBeats gathers whether the guest says that it lives, on that side.
func (p *Pair) watchBeats(ctx context.Context, s *Side, life *record.LifeFacts) error {
	p.hear()
	before := p.run.linux.heard.From(s.Name())
	life.Beats = &record.BeatFacts{Before: before.LastBeat, After: before.LastBeat}
	began := time.Now()
	err := p.HearUntil(ctx, s, "a sign of life of the guest", func(g *guest.Session) bool {
		now := g.From(s.Name())
		life.Beats.After, life.Heartbeats = now.LastBeat, now.Beats-before.Beats
		return life.Heartbeats > 0
	})
	life.Seconds = time.Since(began).Seconds()
	return ExitErrorOnly(err)
}

// noteBeats gathers how long the guest was silent: from its last sign of life on the source to
// its first on the destination.
func (p *Pair) noteBeats() {
	p.hear()
	source, destination := p.run.linux.heard.From(SourceName), p.run.linux.heard.From(DestinationName)
	if source.Beats == 0 || destination.Beats == 0 {
		return
	}
	p.Facts.Standstill = &record.StandstillFacts{
		LastOnSource: source.Last, FirstOnDestination: destination.First, LongestSeconds: source.Longest.Seconds(),
	}
}

// reportTimeout is how long the guest's workers may take to look at all that they have.
const reportTimeout = StepTimeout / 2

// hearReport has each of the guest's workers look at all that it has, on that side, and
// gathers what they have counted and found. It does nothing where the guest is not Linux.
func (p *Pair) hearReport(ctx context.Context, s *Side) error {
	l := p.run.linux
	if l == nil {
		return nil
	}
	before, err := p.hearCounts(ctx, s, wire.Tell)
	if err != nil {
		return err
	}
	after := before
	if s.Name() == DestinationName { // else a quick line of before would hide what its clock loses later
		l.heard.TimeAnew(s.Name())
	}
	if len(before) > 0 { // or it stands still, and would keep another question as long
		if after, err = p.hearCounts(ctx, s, wire.Report); err != nil {
			return err
		}
	}
	f := p.Facts.Linux
	f.Side, f.Workers = s.Name(), nil
	f.Restarted, f.Problems = l.heard.Restarted(), l.heard.Problems()
	f.Lost, f.Doubled, f.Damaged = l.heard.Lines()
	if lost, ok := l.heard.ClockLost(SourceName, DestinationName); ok {
		f.ClockLostMS = new(float64(lost) / float64(time.Millisecond))
	}
	p.noteOnline(after)
	for _, name := range l.image.Workers {
		w, answered := after[name]
		f.Workers = append(f.Workers, record.WorkerFacts{
			Name: name, Silent: !answered, Before: before[name].Counts.Counts, After: w.Counts.Counts,
			Complaints: l.heard.Workers()[name].Complaints, Total: l.heard.Workers()[name].Total,
		})
	}
	return nil
}

// hearCounts gives the guest a command that its workers answer with their counts, and returns
// these. Who doesn't answer in time is left out: that is a fact for the check.
func (p *Pair) hearCounts(ctx context.Context, s *Side, verb wire.Verb) (map[string]guest.WorkerState, error) {
	l := p.run.linux
	number, err := p.Tell(ctx, s, verb, "")
	if err != nil {
		return nil, err
	}
	wait, cancel := p.AtMost(ctx, reportTimeout)
	defer cancel()
	err = p.HearUntil(wait, s, "the counts of the guest's workers", func(g *guest.Session) bool { return g.Reported(number, l.image.Workers) })
	all := l.heard.Workers()
	for _, name := range l.heard.Unreported(number, l.image.Workers) {
		delete(all, name)
	}
	if ctx.Err() != nil {
		return all, context.Cause(ctx)
	}
	return all, ExitErrorOnly(err)
}

// sumMemory keeps sums of the destination's memory, whose guest is stopped.
func (p *Pair) sumMemory(ctx context.Context) error {
	if p.Destination == nil {
		return errNoDestination
	}
	set, err := ram.Open(ctx, p.Program, p.Destination.VM)
	if err != nil {
		return err
	}
	defer set.Close()
	p.sums = ram.NewSums(set)
	return set.Walk(func(_ uint64, pages [][]byte) { p.sums.Add(pages[0]) })
}
