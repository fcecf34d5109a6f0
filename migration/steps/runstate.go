package steps

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/acpi"
	"github.com/drover-vm/drover/migration/record"
)

// A guest that does not run moves in the run state that it is in.
func runStateVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "enter", Args: "STATE [by ADDRESS VALUE]",
			Doc:     "Brings the source's guest into a run state in which it does not run, by what brings a guest there: guest-panicked by a pvpanic, watchdog by an ib700, shutdown by ACPI, io-error by a disk whose read fails, debug by a debugger, prelaunch by -S, all but the last two by a device that the file gives both sides; or by 32 bits that are written to a device's register.",
			Example: "enter guest-panicked",
			Step: func(a *migration.Args) migration.Step {
				state := qapi.RunState(a.OneOf("the run state", states()...))
				if a.Option("by") {
					return EnterBy(state, numberOf(a, "the address", 64), uint32(numberOf(a, "the value", 32)))
				}
				return Enter(state)
			},
		},
		{
			Name: "ends in", Args: "STATE", Last: true,
			Doc:     "The guest is in that run state on the destination when the steps are done, shutdown or prelaunch: that, and that it boots there when it is let, has to be proven; the last line.",
			Example: "ends in shutdown",
			Declare: func(a *migration.Args, s *migration.Scenario) {
				state := a.OneOf("the run state", string(qapi.StateShutdown), string(qapi.StatePrelaunch))
				s.Proof = StateProof(qapi.RunState(state))
			},
		},
		{
			Name: "expect request-completed",
			Doc:  "The disk's request that failed on the source has been repeated on the destination, whose guest was let run, and has completed there, once.", Example: "expect request-completed",
			Step: do(ExpectRequestCompleted),
		},
	}
}

// entrances bring a guest into a run state: each is begun on a guest that runs, and done when
// it has stopped.
func entrances() map[qapi.RunState]func(ctx context.Context, p *migration.Pair) error {
	return map[qapi.RunState]func(ctx context.Context, p *migration.Pair) error{
		qapi.StateGuestPanicked: func(ctx context.Context, p *migration.Pair) error {
			const port, panicked = 0x505, 1
			return p.Source.QTest().Outb(ctx, port, panicked)
		},
		qapi.StateWatchdog: func(ctx context.Context, p *migration.Pair) error {
			if err := p.Source.Execute(ctx, "watchdog-set-action", map[string]any{"action": "pause"}); err != nil {
				return err
			}
			const port, atOnce = 0x443, 0xf // ib700: 30 s less 2 for each
			return p.Source.QTest().Outb(ctx, port, atOnce)
		},
		qapi.StateShutdown: func(ctx context.Context, p *migration.Pair) error {
			sleep, err := acpi.FindSleep(p.Source.QTest().Memory(ctx))
			if err != nil {
				return err
			}
			const off = 0 // SLP_TYP of S5 on QEMU's PCs
			sleep.Kind = off
			return p.Source.QTest().Outw(ctx, sleep.Control, sleep.Order(0))
		},
		qapi.StateIOError: sendFailingRequest,
		qapi.StateDebug:   singleStep,
	}
}

func states() []string {
	all := []string{string(qapi.StatePrelaunch)}
	for state := range entrances() {
		all = append(all, string(state))
	}
	slices.Sort(all)
	return all
}

// Enter brings the source's guest into a run state in which it does not run.
func Enter(state qapi.RunState) migration.Step {
	name := "enter " + string(state)
	if state == qapi.StatePrelaunch {
		return migration.Step{Name: name, Gives: []string{"enter"}, Do: func(ctx context.Context, p *migration.Pair) error {
			if err := p.Source.ExpectRunState(ctx, state, "was to wait, for it was started with -S"); err != nil {
				return err
			}
			p.Facts.Unlaunched = true
			return p.PlantCanaries(ctx)
		}}
	}
	return enterBy(name, state, entrances()[state])
}

// EnterBy brings the source's guest into a run state by what is written to a guest's address.
func EnterBy(state qapi.RunState, address uint64, value uint32) migration.Step {
	return enterBy(fmt.Sprintf("enter %s by %#x %#x", state, address, value), state, func(ctx context.Context, p *migration.Pair) error {
		return p.Source.QTest().Writel(ctx, address, value)
	})
}

func enterBy(name string, state qapi.RunState, enter func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"boot"}, Gives: []string{"enter"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if enter == nil {
			return fmt.Errorf("there is no way to bring a guest into the run state %s: the states are %v", state, states())
		}
		since, at := p.Source.QMP().Mark(), time.Now()
		if err := enter(ctx, p); err != nil {
			return err
		}
		return p.SourceStopped(ctx, state, since, at)
	}}
}

// singleStep is what a debugger does: it has the guest execute one instruction.
func singleStep(ctx context.Context, p *migration.Pair) error {
	s, path := p.Source, p.Path("gdb.sock")
	if _, err := qapi.HumanMonitor(ctx, s.QMP(), "gdbserver unix:"+path+",server=on,wait=off"); err != nil {
		return err
	}
	defer func() { _, _ = qapi.HumanMonitor(ctx, s.QMP(), "gdbserver none") }()
	since := s.QMP().Mark()
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	replies := bufio.NewReader(c)
	for _, packet := range []string{"$?#3f", "$s#73"} { // halted, and the reason; one step
		if _, err := fmt.Fprint(c, packet); err != nil {
			return err
		}
		if _, err := replies.ReadString('#'); err != nil { // where a reply's sum begins
			return fmt.Errorf("the debugger's %s had no reply: %w", packet, err)
		}
	}
	_, err = s.AwaitFrom(ctx, since, "STOP", migration.Named("STOP"))
	return err
}

// StateProof are the steps that gather what is to be judged of a guest that has moved in a
// run state out of which it only comes by booting: shutdown, prelaunch. It is looked at
// before, for the firmware writes to RAM and to devices.
func StateProof(state qapi.RunState) migration.Steps {
	return migration.Steps{
		onDestination("check that the destination's guest is in "+string(state), func(ctx context.Context, p *migration.Pair) error {
			p.StoppedNow()
			return p.Destination.ExpectRunState(ctx, state, "was to be in "+string(state)+" as on the source")
		}),
		sourceIsPaused(), ExpectEqualMemory(), migration.CompareMemory(), ExpectEqualRegisters(), ExpectCanaries(), migration.CompareAgain(),
		bootFrom(state), stopDestination(), readWorkload(), migration.DestinationResources(), sourceStaysPaused(),
	}
}

// bootFrom lets the guest boot on the destination, and gathers whether it lives there. One
// that was shut down must be reset first, and QEMU must say so.
func bootFrom(state qapi.RunState) migration.Step {
	return onDestination("boot the guest on the destination", func(ctx context.Context, p *migration.Pair) error {
		d := p.Destination
		if state == qapi.StateShutdown {
			if err := refused(qapi.Cont(ctx, d.QMP()), "cont of a guest that was shut down"); err != nil {
				return err
			}
			if err := qapi.SystemReset(ctx, d.QMP()); err != nil {
				return err
			}
			if err := d.ExpectRunState(ctx, qapi.StatePrelaunch, "was reset"); err != nil {
				if err := d.ExpectRunState(ctx, qapi.StatePaused, "was reset"); err != nil {
					return err
				}
			}
		}
		if err := qapi.Cont(ctx, d.QMP()); err != nil {
			return err
		}
		at, err := p.AwaitProgram(ctx, d, 0)
		if err != nil {
			return err
		}
		ctx, cancel := p.AtMost(ctx, migration.LifeTimeout)
		defer cancel()
		defer p.NoteDowntime()
		return p.WatchLife(ctx, d, at)
	}).WithTimeout(4 * migration.StepTimeout)
}

// AwaitArrivalIn is [AwaitArrival] of a guest that was in another run state than paused when
// it was sent, in which it has to arrive.
func AwaitArrivalIn(state qapi.RunState) migration.Step {
	await := onMigration("await arrival in "+string(state), func(ctx context.Context, p *migration.Pair) error {
		if err := p.Completed(ctx, func(ctx context.Context) error { return destinationCompletes(ctx, p) }); err != nil {
			return err
		}
		return p.Destination.ExpectRunState(ctx, state, "was to be in "+string(state)+" as on the source")
	})
	await.Phase, await.Gives = record.PhaseSwitchover, []string{awaitSwitchover, "await arrival"}
	return await
}
