package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// A source whose guest was not taken after all goes on, and moves it again: the second
// migration has to leave no more behind than the first.
func again() []Scenario {
	return []Scenario{
		twice("again/unix", "over a UNIX socket", nil, nil),
		twice("again/xbzrle", "with pages sent as differences", []Need{{Capability: XBZRLE}}, Steps{Enable(XBZRLE), Set(XBZRLECacheSize, 64<<20)}),
		twice("again/multifd", "over four channels", []Need{{Capability: Multifd}}, WithMultifd()),
		againCancelled,
	}
}

func twice(name, doc string, needs []Need, prepare Steps) Scenario {
	once := Steps{atAnyDowntime(), Set(MaxBandwidth, 1*GB), Listen(Unix), Migrate(), AwaitArrival()}
	return Scenario{
		Name: name, Doc: "moved twice from the same source, " + doc + ", for the first destination went away", Needs: needs,
		Destination: waiting,
		Story: slices.Concat(
			Steps{Boot()}, prepare, once,
			Steps{DestinationGoesAway(), ContinueOnSource(), SourceRunsOn(), NoteResources()},
			prepare, once,
			Steps{SeeResources(), SeeBeginning(), Continue()}),
	}
}

var againCancelled = Scenario{
	Name:  "again/cancelled",
	Doc:   "given up twice over four channels; then the guest moves",
	Needs: []Need{{Capability: Multifd}},
	Story: slices.Concat(
		WithMultifd(unhurried(), Set(MaxBandwidth, 30*MB)), Steps{Boot()}, givenUp(), Steps{NoteResources()},
		WithMultifd(), givenUp(), Steps{SeeResources()},
		WithMultifd(), move()),
}

const (
	// channelsBusy is how much has been sent when all channels have begun.
	channelsBusy = 6 * MB
	// channelsRest is for how long nothing has been sent when QEMU has sent what it may
	// in a tenth of a second. Before that, as before all have begun, a source of 7.2 that
	// is told to give up can wait for ever for a channel that has ended.
	channelsRest = 25 * time.Millisecond
)

// givenUp begins to move the guest over channels, and gives up.
func givenUp() Steps {
	return Steps{
		Listen(TCP), Tap(), Migrate(), AwaitStatus(qapi.MigrationActive), AwaitSent(channelsBusy), AwaitLull(channelsRest),
		Cancel(), AwaitCancelled(), SourceRunsOn(), DestinationGivesUp(), FreshDestination(),
	}
}

// promptly is how long a migration may take to begin. It was 15 ms, and 60 on a busy machine.
const promptly = time.Second

// SeeBeginning gathers how long the last migration took until pages were sent.
func SeeBeginning() Step {
	return Step{Name: "see how it began", Do: func(ctx context.Context, p *Pair) error {
		active, err := p.Source.statusEvent(ctx, p.Source.since, qapi.MigrationActive)
		if err != nil {
			return err
		}
		took, most := active.Time.Sub(p.Source.Facts.Began), p.run.slow(promptly)
		p.measure("time until the migration was active", float64(took.Milliseconds()), "ms", record.AtMost(float64(most.Milliseconds())))
		return nil
	}}
}

// DestinationGoesAway ends the destination, which has not run the guest, and starts
// another.
func DestinationGoesAway() Step {
	return Step{Name: "end the destination", Do: func(ctx context.Context, p *Pair) error {
		if exit := p.quit(ctx, p.Destination); !exit.Clean {
			return fmt.Errorf("the destination ended with %s when told to quit: %s", exit.State, exit.Reason)
		}
		return FreshDestination().Do(ctx, p)
	}}
}

// awaitPutAway waits until nothing is left of the migration before. QEMU 7.2 may say
// that it has failed a moment earlier, and neither takes another then nor ever again.
func (s *Side) awaitPutAway(ctx context.Context) error {
	return poll(ctx, "the migration before to be put away on the "+s.Name(), func() (bool, error) {
		var instances []struct{ Type string }
		err := s.QMP().Execute(ctx, "query-yank", nil, &instances)
		if said, ok := errors.AsType[*qmp.Error](err); ok && said.Class == qmp.CommandNotFound {
			return true, nil // before 6.0
		}
		return err == nil && !slices.ContainsFunc(instances, func(i struct{ Type string }) bool { return i.Type == "migration" }), err
	})
}

// ContinueOnSource lets the guest go on that has been sent away and was not taken.
func ContinueOnSource() Step {
	return Step{Name: "continue on the source", Do: func(ctx context.Context, p *Pair) error {
		return qapi.Cont(ctx, p.Source.QMP())
	}}
}
