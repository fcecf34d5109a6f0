package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/migration/record"
)

func faultVerbs() migration.Vocabulary {
	return slices.Concat(migration.Vocabulary{
		{
			Name: "fault", Args: "cut|reset|truncate|flip|stall [connection NUMBER] [after TEXT] [at BYTE]",
			Doc:     "Puts a fault on the way to the destination, on the first connection of the tapped link or on another: when so many bytes have passed, counted from now or from behind the first occurrence of the text, the connection is closed, reset, ends as if that was all, has the next byte inverted, or lets nothing pass any more.",
			Example: `fault flip after "\x03ram" at 4`,
			Step:    func(a *migration.Args) migration.Step { return InjectFault(linkFault(a)) },
		},
		{
			Name: "cut link", Doc: "Closes all connections of the tapped link now.", Example: "cut link",
			Step: do(CutLink),
		},
		{
			Name: "cut connection", Args: "NUMBER", Doc: "Closes one connection of the tapped link now, counted from 1 in the order in which the source makes them.", Example: "cut connection 3",
			Step: func(a *migration.Args) migration.Step { return CutConnection(connectionNumber(a)) },
		},
		{
			Name: "reset link", Doc: "Resets all connections of the tapped link now.", Example: "reset link",
			Step: do(ResetLink),
		},
		{
			Name: "kill destination", Doc: "Ends the destination as a host does that loses power, with SIGKILL.", Example: "kill destination",
			Step: do(KillDestination),
		},
		{
			Name: "await fault", Doc: "Waits until the fault that was put on the link has happened.", Example: "await fault",
			Step: do(AwaitFault),
		},
		{
			Name: "forget fault", Doc: "Says that the migration has to survive the fault: nobody has to notice it.", Example: "forget fault",
			Step: do(ForgetFault),
		},
		{
			Name: "allow second-error", Doc: "Allows the source to announce twice that it failed: for a channel, and for the migration.", Example: "allow second-error",
			Step: do(AllowSecondError),
		},
	}, faultNoticedVerbs(), trafficVerbs())
}

// A FaultKind is what a fault on the link does to a connection at one of its bytes.
type FaultKind string

// The kinds of faults.
const (
	FaultCut      FaultKind = "cut"      // closes it
	FaultReset    FaultKind = "reset"    // resets it
	FaultTruncate FaultKind = "truncate" // ends what is sent as if that was all
	FaultFlip     FaultKind = "flip"     // inverts the byte's bits
	FaultStall    FaultKind = "stall"    // lets nothing pass, in either direction, until [ReleaseLink]
)

// faultKinds are all of them, in the order in which they are listed.
var faultKinds = []FaultKind{FaultCut, FaultReset, FaultTruncate, FaultFlip, FaultStall}

func (k FaultKind) onLink() (link.Kind, bool) {
	does, ok := map[FaultKind]link.Kind{
		FaultCut: link.Cut, FaultReset: link.Reset, FaultTruncate: link.Truncate, FaultFlip: link.Flip, FaultStall: link.Stall,
	}[k]
	return does, ok
}

// A LinkFault is one on the way to the destination.
type LinkFault struct {
	Do FaultKind
	// Connection is which it is on, from 1 on in the order in which the source makes them;
	// it may be yet to come. 0 is the first.
	Connection int
	// After is the text behind whose first occurrence At counts. Empty means that it counts
	// from where the connection is when the fault is put there.
	After string
	At    int64 // how many bytes pass; the next one is hit
}

// linkFault takes what is behind the verb.
func linkFault(a *migration.Args) LinkFault {
	kinds := make([]string, len(faultKinds))
	for i, k := range faultKinds {
		kinds[i] = string(k)
	}
	f := LinkFault{Do: FaultKind(a.OneOf("a fault of the link", kinds...))}
	if a.Option("connection") {
		f.Connection = connectionNumber(a)
	}
	if a.Option("after") {
		if f.After = a.Word("the text"); f.After == "" {
			a.Fail("the text is empty: write the bytes that the fault comes after, in quotes")
		}
	}
	if a.Option("at") {
		f.At = a.Size("the place of a byte")
	} else if f.After == "" {
		a.Fail("where the fault happens is missing: at a byte, after a text, or both")
	}
	return f
}

// A fault is one that was put on the link.
type fault struct {
	what string
	at   <-chan time.Time // when it happens
}

// InjectFault puts a fault on the way to the destination.
func InjectFault(f LinkFault) migration.Step {
	name := []string{"fault", string(f.Do)}
	if f.Connection > 0 {
		name = append(name, fmt.Sprintf("connection %d", f.Connection))
	}
	if f.After != "" {
		name = append(name, fmt.Sprintf("after %q", f.After))
	}
	name = append(name, fmt.Sprintf("at %d", f.At))
	return gives("fault", onLink(strings.Join(name, " "), func(_ context.Context, _ *migration.Pair, r *Relay) error {
		does, ok := f.Do.onLink()
		if !ok || f.At < 0 {
			return fmt.Errorf("there is no fault %q at byte %d: it is one of %v, at byte 0 or later", f.Do, f.At, faultKinds)
		}
		n := max(1, f.Connection)
		l, err := r.numbered(n)
		if err != nil {
			return err
		}
		injected := link.Fault{After: f.After, At: f.At, Kind: does}
		r.fault = &fault{fmt.Sprintf("%s of connection %d", injected, n), l.Forward.Inject(injected)}
		return nil
	}))
}

// gives is the step, in whose place another line may be wanted.
func gives(line string, s migration.Step) migration.Step {
	s.Gives = append(s.Gives, line)
	return s
}

// faultNow is a step that injects a fault at that moment, what saying what the migration
// was then: cut.
func faultNow(name, what string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return gives("fault", step(name, func(ctx context.Context, p *migration.Pair) error {
		p.Facts.Fault = &record.FaultFacts{What: what, At: time.Now()}
		return do(ctx, p)
	}))
}

// faultOnLink is the same for a tapped link.
func faultOnLink(name, what string, do func(r *Relay) error) migration.Step {
	s := faultNow(name, what, func(_ context.Context, p *migration.Pair) error {
		r, err := Link(p)
		if err != nil {
			return err
		}
		return do(r)
	})
	s.Wants = []string{"tap"}
	return s
}

// CutLink closes all connections of the migration now.
func CutLink() migration.Step {
	return faultOnLink("cut link", "cut", func(r *Relay) error {
		for _, l := range r.connections() {
			l.Cut()
		}
		return nil
	})
}

// CutConnection closes the n-th connection of the migration now, counted from 1.
func CutConnection(n int) migration.Step {
	return faultOnLink(fmt.Sprintf("cut connection %d", n), fmt.Sprintf("cut on connection %d", n), func(r *Relay) error {
		l, err := r.numbered(n)
		if err != nil {
			return err
		}
		l.Cut()
		return nil
	})
}

// ResetLink resets all connections of the migration now.
func ResetLink() migration.Step {
	return faultOnLink("reset link", "reset", func(r *Relay) error {
		for _, l := range r.connections() {
			l.Reset()
		}
		return nil
	})
}

// KillDestination ends the destination as a host does that loses power.
func KillDestination() migration.Step {
	return faultNow("kill destination", "left without its destination", func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(s *migration.Side) error { return s.EndNow(ctx) })
	})
}

// AwaitFault waits until the fault that was put on the link has happened.
func AwaitFault() migration.Step {
	await := onLink("await fault", func(ctx context.Context, p *migration.Pair, r *Relay) error {
		f := r.fault
		if f == nil {
			return errors.New("no fault was put on the link: put the step fault before this one")
		}
		select {
		case at := <-f.at:
			p.Facts.Fault = &record.FaultFacts{What: f.what, At: at}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w waiting for the link to be %s, %d bytes of it have come", context.Cause(ctx), f.what, r.Sent())
		}
	})
	await.Wants = append(await.Wants, "fault", "migrate")
	return await
}

// errNoFault says that a step needs a fault.
var errNoFault = errors.New("no fault has happened to the migration: put one before this step")

// onFault is a step that wants a fault to have happened.
func onFault(name string, do func(ctx context.Context, p *migration.Pair, f *record.FaultFacts) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"fault"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Facts.Fault == nil {
			return errNoFault
		}
		return do(ctx, p, p.Facts.Fault)
	}}
}

// ForgetFault is for a fault that the migration survives.
func ForgetFault() migration.Step {
	return onFault("forget fault", func(_ context.Context, p *migration.Pair, _ *record.FaultFacts) error {
		p.Facts.Fault = nil
		return nil
	})
}

// AllowSecondError allows the source to announce that a channel failed, and that the
// migration did.
func AllowSecondError() migration.Step {
	return onFault("allow second-error", func(_ context.Context, _ *migration.Pair, f *record.FaultFacts) error {
		f.Twice = true
		return nil
	})
}
