package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A guest that sleeps (ACPI S3) moves asleep. It is looked at before it is woken, for
// waking resets the devices and lets the firmware write to RAM.
func suspend() []Scenario { return []Scenario{suspendLive, suspendNotLive, suspendPostcopy} }

var suspendLive = Scenario{
	Name:  "precopy/unix/suspend/live",
	Doc:   "a guest that sleeps (ACPI S3) arrives asleep, and goes on where it stood when it is woken there",
	Needs: []Need{PC},
	Story: Steps{
		atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Suspend(), SeeSleepOutlastStop(), Listen(Unix), Migrate(), AwaitSleeper(),
	},
	Proof: slices.Concat(asleep(), wokenUp()),
}

var suspendNotLive = Scenario{
	Name:  "precopy/unix/suspend/notlive",
	Doc:   "the same with a guest that was stopped in its sleep: it arrives stopped, and sleeps on when it is continued",
	Needs: []Need{PC},
	Story: Steps{
		atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Suspend(), SeeSleepOutlastStop(), Listen(Unix), StopAsleepAndMigrate(), AwaitArrival(), Continue(),
	},
	Proof: slices.Concat(asleep(), wokenUp()),
}

var suspendPostcopy = Scenario{
	Name:  "postcopy/suspend",
	Doc:   "a guest that sleeps arrives before its RAM, and sleeps on",
	Needs: []Need{PC, Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		// Nothing is written in its sleep, so the first pass would be the last. It takes
		// five seconds, and is left at once.
		Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 20*MB),
		Boot(), Suspend(), SeeSleepOutlastStop(), Listen(Unix), Migrate(), AwaitStatus(qapi.MigrationActive),
		StartPostcopy(), AwaitSleeper(), SeePostcopyBytes(),
	},
	Proof: slices.Concat(asleep(), wokenUp()),
}

// asleep are the steps that gather what is to be judged of a guest that has moved and
// sleeps.
func asleep() Steps {
	return Steps{
		SeeAsleep(), SourceStands(), CompareExactly(), CompareMemory(), CompareRegisters(), SeeCanaries(), NothingMoves(),
	}
}

// wokenUp are those that wake it, and gather whether it goes on.
func wokenUp() Steps {
	return Steps{WakeUp(), SeeAwake(), StopDestination(), SeeWorkload(), SourceStillStands()}
}

// Suspend puts the source's machine to sleep, as an operating system does: it writes
// where to go on into the firmware waking vector, and the order into PM1a_CNT.
func Suspend() Step {
	return Step{Name: "suspend the guest", Do: func(ctx context.Context, p *Pair) error {
		q, since := p.Source.QTest(), p.Source.QMP().Mark()
		sleep, err := findSleep(q.Memory(ctx))
		if err != nil {
			return err
		}
		if err := q.Writel(ctx, sleep.vector, p.Program.WakeVector); err != nil {
			return err
		}
		now, err := q.Inw(ctx, sleep.control)
		if err != nil {
			return err
		}
		if err := q.Outw(ctx, sleep.control, sleep.order(now)); err != nil {
			return err
		}
		if _, err := p.Source.AwaitFrom(ctx, since, "SUSPEND", named("SUSPEND")); err != nil {
			return fmt.Errorf("the machine was told to sleep at port %#x: %w", sleep.control, err)
		}
		p.asleep, err = p.counter(ctx, p.Source)
		return err
	}}
}

// sleepOutlasts is the first major version that can do it.
const sleepOutlasts = 9

// SeeSleepOutlastStop asks the source's QEMU whether it can stop a guest that sleeps and
// let it sleep on, which is what moving it comes to. 5.2 and 7.2 can't: they know
// no state but running that a stopped guest could go back to, and wake it to migrate it.
func SeeSleepOutlastStop() Step {
	return Step{Name: "see that sleep outlasts stop", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.mustBe(ctx, qapi.StateSuspended, "was to be suspended"); err != nil {
			return err
		}
		if err := qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if version := p.Source.QMP().Greeting().Version; status.Status == qapi.StateSuspended && version.Major >= sleepOutlasts {
			return fmt.Errorf("the source's guest sleeps, and was stopped, and its run state is still %s: it would be woken to be migrated", status.Status)
		}
		if status.Status == qapi.StateSuspended {
			return &MissingError{fmt.Sprintf("QEMU %s can't stop a guest that sleeps (its run state after stop is still suspended), and wakes it to migrate it: take a later one, such as 10.0",
				p.Source.Facts.Version)}
		}
		if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
			return err
		}
		return p.Source.mustBe(ctx, qapi.StateSuspended, "was to sleep on after stop and cont")
	}}
}

// mustBe demands a run state of a side's guest.
func (s *Side) mustBe(ctx context.Context, state qapi.RunState, why string) error {
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err == nil && status.Status != state {
		err = fmt.Errorf("the %s's guest %s, and its run state is %s", s.Name(), why, status.Status)
	}
	return err
}

// StopAsleepAndMigrate stops the guest that sleeps, and begins to send it.
func StopAsleepAndMigrate() Step {
	return Step{Name: "stop the guest and migrate", Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error {
		since, stopped := p.Source.QMP().Mark(), time.Now()
		if err := qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		if err := p.Source.mustBe(ctx, qapi.StatePaused, "was stopped"); err != nil {
			return err
		}
		err := p.migrate(ctx, p.uri)
		p.Source.since, p.Source.Facts.Stopped = since, stopped
		return err
	}}
}

// AwaitSleeper waits until the guest has left the source and both sides call the
// migration completed. RESUME has come by then, though nothing runs: one life demands it.
func AwaitSleeper() Step {
	return Step{Name: "await the sleeping guest", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		if err := p.completed(ctx, p.destinationCompletes); err != nil {
			return err
		}
		return p.noteMigration(ctx)
	}}
}

// SeePostcopyBytes gathers how much was sent after the guest. Nobody asks for a page in
// its sleep.
func SeePostcopyBytes() Step {
	return Step{Name: "see what was sent after the guest", Do: func(_ context.Context, p *Pair) error {
		info, err := p.migrationInfo()
		if err != nil {
			return err
		}
		p.measure("sent after the guest", float64(info.RAM.PostcopyBytes), "bytes", record.AtLeast(1*MB))
		return nil
	}}
}

// SeeAsleep demands that the guest sleeps on the destination, and has not run since it
// was put to sleep.
func SeeAsleep() Step {
	return Step{Name: "see the destination's guest asleep", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Destination.mustBe(ctx, qapi.StateSuspended, "was to be suspended as it was on the source"); err != nil {
			return err
		}
		p.stopped = time.Now()
		for _, s := range p.Sides() {
			events, _ := s.events(ctx)
			if slices.ContainsFunc(events, func(e record.EventFacts) bool { return e.Name == "WAKEUP" }) {
				return fmt.Errorf("the %s woke its guest, which was to move in its sleep", s.Name())
			}
			now, err := p.counter(ctx, s)
			if err != nil {
				return err
			}
			if now != p.asleep {
				return fmt.Errorf("the byte at %#x was %d when the guest fell asleep, and is %d on the %s", now.Address, p.asleep.Value, now.Value, s.Name())
			}
		}
		if said := p.Destination.Console().Since(0); len(said) > 0 {
			return fmt.Errorf("the guest was to sleep on the destination, and said %q there", said)
		}
		return nil
	}}
}

// WakeUp wakes the guest on the destination, and waits until it says that it goes on.
func WakeUp() Step {
	return Step{Name: "wake the guest", Do: func(ctx context.Context, p *Pair) error {
		d := p.Destination
		since, from := d.QMP().Mark(), d.Console().Mark()
		if err := d.tell(ctx, "system_wakeup", nil); err != nil {
			return err
		}
		if _, err := d.AwaitFrom(ctx, since, "WAKEUP", named("WAKEUP")); err != nil {
			return err
		}
		var err error
		p.woken, err = d.Console().WaitFunc(ctx, from, "the guest program's word that it was woken", func(said []byte) (int, error) {
			switch {
			case len(said) == 0:
				return -1, nil
			case said[0] != p.Program.Awake:
				return -1, fmt.Errorf("it is %q where a guest that was woken says %q", said[0], p.Program.Awake)
			}
			return 1, nil
		})
		return err
	}}
}

// SeeAwake gathers whether the guest goes on after it was woken. It returns when a round
// has begun: a guest that is stopped right after a heartbeat stands between two, where
// it doesn't show whether it went on in the middle of the one that it slept in.
func SeeAwake() Step {
	return Step{Name: "see the guest go on", Do: func(ctx context.Context, p *Pair) error {
		ctx, cancel := p.run.atMost(ctx, lifePatience)
		defer cancel()
		if err := p.watchLife(ctx, p.Destination, p.woken); err != nil {
			return err
		}
		said, err := p.counter(ctx, p.Destination)
		if err != nil {
			return err
		}
		return deadOnly(poll(ctx, "another round", func() (bool, error) {
			now, err := p.counter(ctx, p.Destination)
			return now != said, err
		}))
	}}
}

// SourceStillStands gathers what has become of the source in the meantime.
func SourceStillStands() Step {
	return Step{Name: "see the source stand still", Do: func(ctx context.Context, p *Pair) error {
		if p.Facts.Stand == nil {
			return errors.New("the source was not seen at completion")
		}
		return p.sourceAtEnd(ctx)
	}}
}
