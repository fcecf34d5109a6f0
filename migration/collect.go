package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// noteMigration keeps what both sides say of the migration that has ended.
func (p *Pair) noteMigration(ctx context.Context) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	facts := &record.MigrationFacts{TotalMS: info.TotalTime, DowntimeMS: info.Downtime, SetupMS: info.SetupTime, Source: info.Raw}
	if info.RAM != nil {
		facts.Passes, facts.Bytes = info.RAM.DirtySyncCount, info.RAM.Transferred
	}
	p.Facts.Migration = facts
	if p.Destination == nil {
		return nil
	}
	var raw json.RawMessage
	if err := p.Destination.QMP().Execute(ctx, "query-migrate", nil, &raw); err != nil {
		return err
	}
	facts.Destination = raw
	return nil
}

// migrationInfo is what the source said of the migration that has ended. It is an
// error where it said nothing of RAM.
func (p *Pair) migrationInfo() (info qapi.MigrationInfo, err error) {
	if p.Facts.Migration == nil {
		return info, errors.New("no migration has ended")
	}
	if err := json.Unmarshal(p.Facts.Migration.Source, &info); err != nil {
		return info, err
	}
	if info.RAM == nil {
		return info, errors.New("the source's query-migrate says nothing of RAM")
	}
	return info, nil
}

// counter reads the first byte that the workload counts up.
func (p *Pair) counter(ctx context.Context, s *Side) (record.Reading, error) {
	value, err := s.QTest().Readb(ctx, p.Program.Start)
	return record.Reading{Address: p.Program.Start, Value: value}, err
}

// watchLife gathers whether the guest runs on that side. It returns when the
// counter has moved and the console has spoken since the place given, or with
// what it saw when the context ended.
func (p *Pair) watchLife(ctx context.Context, s *Side, console int64) error {
	life := &record.LifeFacts{Side: s.Name()}
	if p.Facts.Life != nil {
		p.Facts.EarlierLives = append(p.Facts.EarlierLives, *p.Facts.Life)
	}
	p.Facts.Life = life
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err != nil {
		return err
	}
	life.Running, life.Status = status.Running, status.Status
	began := time.Now()
	if life.Before, err = p.counter(ctx, s); err != nil {
		return err
	}
	moved := poll(ctx, "the workload's counter to move on the "+s.Name(), func() (bool, error) {
		life.After, err = p.counter(ctx, s)
		return life.After != life.Before, err
	})
	life.Seconds = time.Since(began).Seconds()
	spoke := error(nil)
	if moved == nil {
		_, spoke = s.Console().WaitFunc(ctx, console, "a heartbeat", func(said []byte) (int, error) {
			life.Heartbeats, life.Unexpected = heartbeats(p.Program, said)
			if life.Heartbeats > 0 || life.Unexpected != "" {
				return len(said), nil
			}
			return -1, nil
		})
	}
	// That a guest doesn't live is a fact for the check. A QEMU that ended is
	// the end of the story.
	return deadOnly(errors.Join(moved, spoke))
}

// deadOnly lets pass only the error that says that a QEMU has ended.
func deadOnly(err error) error {
	if _, dead := errors.AsType[*launcher.ExitError](err); dead {
		return err
	}
	return nil
}

// lifePatience is how long a guest may take to give a sign of life. It is less than
// a step may take, for that there is none is a fact for the check.
const lifePatience = StepPatience / 2

// DestinationLives gathers whether the guest runs on the destination.
func DestinationLives() Step {
	return Step{Name: "see the destination live", Do: func(ctx context.Context, p *Pair) error {
		ctx, cancel := p.run.atMost(ctx, lifePatience)
		defer cancel()
		if err := p.watchLife(ctx, p.Destination, 0); err != nil {
			return err
		}
		p.noteStandstill()
		return nil
	}}
}

// noteStandstill gathers how long the guest's console was silent: from its last word
// on the source to its first on the destination.
func (p *Pair) noteStandstill() {
	source, destination := p.Source.Console().Chunks(0), p.Destination.Console().Chunks(0)
	if len(source) < 2 || len(destination) == 0 {
		return
	}
	longest := time.Duration(0)
	for i, c := range source[1:] {
		longest = max(longest, c.Time.Sub(source[i].Time))
	}
	p.Facts.Standstill = &record.StandstillFacts{
		LastOnSource: source[len(source)-1].Time, FirstOnDestination: destination[0].Time, LongestSeconds: longest.Seconds(),
	}
}

// SourceRunsOn gathers whether the guest still runs on the source after a
// migration that failed. The story ends where it doesn't.
func SourceRunsOn() Step {
	return Step{Name: "see the source run on", Do: func(ctx context.Context, p *Pair) error {
		ctx, cancel := p.run.atMost(ctx, lifePatience)
		defer cancel()
		if err := p.watchLife(ctx, p.Source, p.Source.Console().Mark()); err != nil {
			return err
		}
		if outcome, witness := p.Facts.Life.Judge(); outcome != record.Pass {
			return errors.New(witness)
		}
		return nil
	}}
}

// NoteFailure gathers what the source says of the migration that brought the guest
// nowhere.
func NoteFailure() Step {
	return Step{Name: "note what the source says of it", Do: func(ctx context.Context, p *Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		p.Facts.Failure = &record.FailureFacts{Status: string(info.Status), Desc: info.ErrorDesc}
		return err
	}}
}

// settled waits until the source has left the run state of a migration's last
// moments, and returns the one that it came to. QEMU goes to postmigrate, and
// only then knows the times of the migration, shortly after the migration's
// status says completed; no event tells of it. That it doesn't settle is a fact
// for the check.
func (p *Pair) settled(ctx context.Context, s *Side) (status qapi.StatusInfo, err error) {
	patience, cancel := p.run.atMost(ctx, lifePatience)
	defer cancel()
	waited := poll(patience, "the source's run state to settle", func() (bool, error) {
		status, err = qapi.QueryStatus(patience, s.QMP())
		return status.Status != "finish-migrate", err
	})
	return status, errors.Join(deadOnly(waited), context.Cause(ctx))
}

// SourceStands gathers what the source is at completion.
func SourceStands() Step {
	return Step{Name: "see the source stand", Do: func(ctx context.Context, p *Pair) error {
		status, err := p.settled(ctx, p.Source)
		if err != nil {
			return err
		}
		stand := &record.StandFacts{Status: status.Status, Running: status.Running}
		p.Facts.Stand = stand
		stand.Before, err = p.counter(ctx, p.Source)
		return err
	}}
}

// StopDestination stops the guest where it is now.
func StopDestination() Step {
	return Step{Name: "stop the destination", Do: func(ctx context.Context, p *Pair) error {
		err := p.Destination.tell(ctx, "stop", nil)
		p.stopped = time.Now()
		return err
	}}
}

// QuitBoth tells the QEMUs to quit, and gathers how they end and what they leave.
func QuitBoth() Step {
	return Step{Name: "quit", Phase: record.PhaseTeardown, Do: func(ctx context.Context, p *Pair) error {
		p.gatherLogs(ctx)
		facts := &record.TeardownFacts{Exits: make([]record.ExitFacts, len(p.Sides()))}
		p.Facts.Teardown = facts
		facts.Left = p.childrenLeft(ctx)
		var quitting sync.WaitGroup
		for i, s := range p.Sides() {
			quitting.Go(func() { facts.Exits[i] = p.quit(ctx, s) })
		}
		quitting.Wait()
		p.run.removeSockets()
		facts.Left = append(facts.Left, p.leftovers()...)
		return nil
	}}
}

// quitPatience is how long a QEMU may take to end when told to. It takes some 50 ms.
const quitPatience = 3 * time.Second

func (p *Pair) quit(ctx context.Context, s *Side) record.ExitFacts {
	exit := record.ExitFacts{Side: s.Name()}
	if s.gaveUp {
		exit.State, exit.Clean = s.ExitState().String(), true
		exit.Reason = "it gave the migration up, as expected"
		_ = s.Close()
		return exit
	}
	ctx, cancel := p.run.atMost(ctx, quitPatience)
	defer cancel()
	err := s.Quit(ctx)
	if err != nil {
		exit.Reason = err.Error()
	}
	_ = s.Close()
	exit.State = s.ExitState().String()
	if ctx.Err() != nil {
		exit.State += fmt.Sprintf(", and not within %s,", p.run.slow(quitPatience))
	}
	exit.Clean = err == nil && s.ExitState().Success()
	return exit
}

// leftovers names what is still there of VMs that have been closed.
func (p *Pair) leftovers() []string {
	var left []string
	if _, err := os.Lstat(p.run.private.Path()); err == nil {
		left = append(left, p.run.private.Path())
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

// gatherLogs keeps the events, the console's and the error output's end.
func (p *Pair) gatherLogs(ctx context.Context) {
	for _, s := range p.Sides() {
		s.Facts.Events, s.Facts.EventsLost = s.events(ctx)
		said := s.Console().Since(0)
		s.Facts.Console = string(said[max(0, len(said)-consoleKept):])
		s.Facts.Stderr = s.Stderr()
	}
}

const consoleKept = 4096
