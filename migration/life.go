package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/internal/canary"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// AwaitBoot waits for what the guest program writes when it begins, on the source's
// console from that place on: its greeting and its first heartbeat. Then it writes to
// memory, and to devices' registers, what has to arrive with the guest.
func (p *Pair) AwaitBoot(ctx context.Context, from int64) error {
	if p.run.linux != nil {
		return p.AwaitBootOn(ctx, p.Source)
	}
	_, err := p.AwaitProgram(ctx, p.Source, from)
	if err != nil && p.Source.Facts.Began.IsZero() && p.Source.ExitState() == nil {
		return &StartError{err} // nothing is known of migration
	}
	if err != nil {
		return err
	}
	if p.Program.PromEnv == "" { // else the firmware runs it, and goes on using RAM that holds zeros
		if err := p.markRAM(ctx); err != nil {
			return err
		}
	}
	return p.PlantCanaries(ctx)
}

func (p *Pair) markRAM(ctx context.Context) error {
	all, err := p.largeRAM(ctx)
	if err != nil {
		return err
	}
	return ram.Mark(ctx, p.Source.QTest(), p.Program, all)
}

// AwaitProgram waits until the guest program boots on a side, from that place of its console
// on, and returns the place behind its first heartbeat. The program is then sent its input.
func (p *Pair) AwaitProgram(ctx context.Context, s *Side, from int64) (int64, error) {
	at, err := s.Console().WaitFunc(ctx, from, "the guest program's first heartbeat", func(output []byte) (int, error) {
		return booted(p.Program, output)
	})
	if err != nil {
		return 0, err
	}
	return at, s.SendInput(ctx, p.Program.Input)
}

// SendInput sends what a program that has begun, or has read it, leaves in its terminal's queue.
// It is there once QEMU has answered anything else.
func (s *Side) SendInput(ctx context.Context, of fixtures.Input) error {
	if of.Text == "" {
		return nil
	}
	return s.Console().Send(ctx, of.Text)
}

// fitsLow is how much RAM every PC has room for below 4 GiB.
const fitsLow = 2 << 30

// largeRAM is where the source has RAM, nil where it has none but what it begins with, below
// 4 GiB. Memory there may then be a device's, and other processes' as well.
func (p *Pair) largeRAM(ctx context.Context) ([]fixtures.Range, error) {
	if base := uint64(p.Program.MemoryMiB) << 20; base <= fitsLow && p.Facts.RAMBytes <= base {
		return nil, nil
	}
	memory, err := p.Source.Memory(ctx)
	if err != nil {
		return nil, err
	}
	return memory.RAM(), memory.Close()
}

// NoteBoot takes from the time that the guest took to boot how slow this machine is.
func (p *Pair) NoteBoot(took time.Duration) { p.run.noteSlowdown(took) }

// PlantCanaries writes each canary on the source, and keeps in mind those that a
// machine like this has: they are a PC's, and not every PC has them all.
func (p *Pair) PlantCanaries(ctx context.Context) error {
	p.canaries = nil
	vcpus, err := qapi.QueryCPUsFast(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	all, err := p.pciCanaries(ctx)
	if err != nil {
		return err
	}
	usesDevices := p.Program.Table != nil && !p.Program.FillsPages()
	own, err := canary.Reachable(ctx, p.Facts.Arch, p.Source, canary.For(p.Facts.Arch, len(vcpus), usesDevices, !p.Facts.Unlaunched))
	if err != nil {
		return err
	}
	all = append(all, own...)
	for _, c := range all {
		if err := c.Plant(ctx, p.Source); err != nil {
			return err
		}
		found, err := c.Read(ctx, p.Source)
		if err != nil {
			return err
		}
		if found == c.Value {
			p.canaries = append(p.canaries, c)
		}
	}
	p.Facts.Canaries = len(p.canaries)
	if len(p.canaries) == 0 && len(all) > 0 {
		return errors.New("no device of this machine keeps what is written to its registers")
	}
	return nil
}

// booted finds the end of the program's first heartbeat on a source's console, -1 where
// that has not come. What is before the program's hello is the firmware's, which
// options such as -nographic put there. The error is about a letter that the program does
// not have.
func booted(p fixtures.Program, output []byte) (int, error) {
	from := 0
	if p.Marker != 0 {
		if from = bytes.IndexByte(output, p.Marker) + 1; from == 0 {
			return -1, nil
		}
	}
	for {
		hello := bytes.IndexByte(output[from:], p.Hello)
		if hello < 0 || from+hello+1 == len(output) {
			return -1, nil
		}
		from += hello + 1
		if output[from] == p.Heartbeat {
			return from + 1, nil
		}
		if p.Marker != 0 {
			return -1, fmt.Errorf("it is %q where the guest program writes %q and then %q", output[from], p.Hello, p.Heartbeat)
		}
	}
}

// heartbeats counts the heartbeats in the output of a program that has booted, and
// returns the first few letters that are none.
func heartbeats(p fixtures.Program, output []byte) (count int, unexpected string) {
	count = bytes.Count(output, []byte{p.Heartbeat})
	other := bytes.ReplaceAll(output, []byte{p.Heartbeat}, nil)
	return count, string(other[:min(len(other), 32)])
}

// LifeTimeout is how long a guest may take to show that it runs, and QEMU to do what is
// looked for. It is less than a step may take: that nothing came is a fact for the check.
const LifeTimeout = StepTimeout / 2

// WatchLife gathers whether the guest runs on that side. It returns when the
// counter has moved and the console has had output since the place given, or with
// what it saw when the context ended.
func (p *Pair) WatchLife(ctx context.Context, s *Side, console int64) error {
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
	if p.run.linux != nil {
		return p.watchBeats(ctx, s, life)
	}
	began := time.Now()
	if life.Before, err = p.Counter(ctx, s); err != nil {
		return err
	}
	moved := Poll(ctx, "the workload's counter to move on the "+s.Name(), func() (bool, error) {
		life.After, err = p.Counter(ctx, s)
		return life.After != life.Before, err
	})
	if moved == nil {
		moved = p.watchOthers(ctx, s, life)
	}
	life.Seconds = time.Since(began).Seconds()
	heartbeat := error(nil)
	if moved == nil {
		_, heartbeat = s.Console().WaitFunc(ctx, console, "a heartbeat", func(output []byte) (int, error) {
			life.Heartbeats, life.Unexpected = heartbeats(p.Program, output)
			if life.Heartbeats > 0 || life.Unexpected != "" {
				return len(output), nil
			}
			return -1, nil
		})
	}
	// That a guest doesn't run is a fact for the check. A QEMU that ended is
	// the end of the steps, and a host that gave it no time tells nothing.
	waited := errors.Join(moved, heartbeat)
	if waited != nil && cutShort(ctx) != nil {
		return waited
	}
	return ExitErrorOnly(waited)
}

// watchOthers gathers whether the vCPUs beside the first count on that share the workload.
func (p *Pair) watchOthers(ctx context.Context, s *Side, life *record.LifeFacts) error {
	for n, part := range p.Program.PartRanges()[1:] {
		before, err := s.QTest().Readb(ctx, part.Start)
		if err != nil {
			return err
		}
		first := record.Reading{Address: part.Start, Value: before}
		life.Others = append(life.Others, record.CounterFacts{VCPU: n + 1, Before: first, After: first})
	}
	return Poll(ctx, "the counters of all vCPUs to move on the "+s.Name(), func() (all bool, err error) {
		all = true
		for i := range life.Others {
			if o := &life.Others[i]; o.Before == o.After {
				if o.After.Value, err = s.QTest().Readb(ctx, o.After.Address); err != nil {
					return false, err
				}
				all = all && o.Before != o.After
			}
		}
		return all, nil
	})
}

// ExitErrorOnly returns the error where it says that a QEMU has ended, else nil.
func ExitErrorOnly(err error) error {
	if _, exited := errors.AsType[*launcher.ExitError](err); exited {
		return err
	}
	return nil
}

// ExpectRunning gathers whether the guest runs on the source, and demands that it does.
func (p *Pair) ExpectRunning(ctx context.Context) error {
	ctx, cancel := p.AtMost(ctx, LifeTimeout)
	defer cancel()
	if err := p.WatchLife(ctx, p.Source, p.Source.Console().Mark()); err != nil {
		return err
	}
	if outcome, witness := p.Facts.Life.Judge(); outcome != record.Pass {
		return errors.New(witness)
	}
	return nil
}
