package migration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
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
	once := Steps{Set(DowntimeLimit, time.Minute), Set(MaxBandwidth, 1*GB), Listen(Unix), Migrate(), AwaitArrival()}
	return Scenario{
		Name: name, Doc: "moved twice from the same source, " + doc + ", for the first destination went away", Needs: needs,
		Destination: waiting,
		Story: slices.Concat(
			Steps{Boot()}, prepare, once,
			Steps{DestinationGoesAway(), ContinueOnSource(), SourceRunsOn(), NoteResources()},
			prepare, once,
			Steps{SeeResources(), Continue()}),
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

// givenUp begins to move the guest over channels, and gives up.
func givenUp() Steps {
	return Steps{
		Listen(TCP), Migrate(), AwaitStatus(qapi.MigrationActive),
		Cancel(), AwaitCancelled(), SourceRunsOn(), DestinationGivesUp(), FreshDestination(),
	}
}

// DestinationGoesAway ends the destination, which has not run the guest, and starts
// another.
func DestinationGoesAway() Step {
	return Step{Name: "end the destination", Do: func(ctx context.Context, p *Pair) error {
		if exit := p.Destination.quit(ctx); !exit.Clean {
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

// resources are what a QEMU's process holds.
type resources struct {
	threads, descriptors int
	resident             int64 // bytes of memory of its own
}

// resources counts them, from outside. Threads that QEMU keeps in a pool for its
// disks come and go, and do not count.
func (s *Side) resources() (r resources, err error) {
	folder := fmt.Sprintf("/proc/%d/", s.PID())
	tasks, err := os.ReadDir(folder + "task")
	if err != nil {
		return r, err
	}
	for _, task := range tasks {
		name, err := os.ReadFile(folder + "task/" + task.Name() + "/comm")
		if err == nil && !strings.HasPrefix(string(name), "worker") && !strings.HasPrefix(string(name), "pool") {
			r.threads++
		}
	}
	open, err := os.ReadDir(folder + "fd")
	if err != nil {
		return r, err
	}
	r.descriptors = len(open)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return r, err
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	r.resident = kilobytes << 10
	return r, err
}

// NoteResources keeps in mind what the source holds.
func NoteResources() Step {
	return Step{Name: "note the source's resources", Do: func(_ context.Context, p *Pair) (err error) {
		p.resources, err = p.Source.resources()
		return err
	}}
}

// moreResident is how much more memory a source may have after a second migration:
// what a C library keeps of what it was given back differs from time to time.
const moreResident = 16 << 20

// SeeResources gathers what the source holds beyond what it held before, when it has
// had time to give it back.
func SeeResources() Step {
	return Step{Name: "see the source's resources", Do: func(ctx context.Context, p *Pair) error {
		before, now := p.resources, resources{}
		wait, cancel := p.run.atMost(ctx, releasePatience)
		defer cancel()
		err := poll(wait, "the source to give back what it used", func() (bool, error) {
			var err error
			now, err = p.Source.resources()
			return now.threads <= before.threads && now.descriptors <= before.descriptors && now.resident <= before.resident+moreResident, err
		})
		if wait.Err() == nil && err != nil {
			return err
		}
		p.measure("threads of the source, beyond those after the migration before", float64(now.threads-before.threads), "threads", record.AtMost(0))
		p.measure("open files of the source, beyond those after the migration before", float64(now.descriptors-before.descriptors), "files", record.AtMost(0))
		p.measure("memory of the source, beyond that after the migration before", float64(now.resident-before.resident), "bytes", record.AtMost(moreResident))
		return nil
	}}
}
