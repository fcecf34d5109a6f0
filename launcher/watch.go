package launcher

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A Pulse is what a look at a QEMU's monitor finds.
type Pulse string

// The pulses, from best to worst.
const (
	Answering Pulse = "answering" // its main loop carries out commands
	Busy      Pulse = "busy"      // it is there, out of band, but its main loop is at something else
	Deaf      Pulse = "deaf"      // nothing answers: stopped, locked up, or on a host that is overloaded
	Ended     Pulse = "ended"     // there is no QEMU any more
)

// Pulse asks the monitor for a sign of life, out of band and then in band, and
// returns when it has both or ctx has ended: bound that. In band it has to wait
// for the commands that others have sent, so Busy is no fault by itself.
func (v *VM) Pulse(ctx context.Context) Pulse {
	inBand := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, err := qapi.QueryStatus(ctx, v.qmp)
		inBand <- err
	}()
	outOfBand := v.qmp.Alive(ctx)
	err := <-inBand
	cancel()
	switch {
	case v.process.state() != nil:
		return Ended
	case err == nil:
		return Answering
	case outOfBand == nil:
		return Busy
	default:
		return Deaf
	}
}

// A HangError says that a QEMU has not answered for so long that it counts as hung.
type HangError struct {
	Name      string
	Pulse     Pulse         // Deaf
	For       time.Duration // since the last sign of life
	Diagnosis *Diagnosis    // nil where none was made
}

func (e *HangError) Error() string {
	text := fmt.Sprintf("%s has been %s for %v", e.Name, e.Pulse, e.For.Round(time.Millisecond))
	if e.Diagnosis != nil && e.Diagnosis.Process != "" {
		text += ", its process is " + e.Diagnosis.Process
	}
	return text
}

// Watch asks QEMU's monitor for a sign of life, out of band where it can, four
// times within timeout, and returns a *HangError once none has come for
// that long. It returns an *ExitError when QEMU ends, and the cause of ctx when
// that does. A monitor that is busy with one long command answers out of band.
func (v *VM) Watch(ctx context.Context, timeout time.Duration) error {
	tick := time.NewTicker(max(timeout/4, time.Millisecond))
	defer tick.Stop()
	for last := time.Now(); ; {
		ask, cancel := context.WithDeadline(ctx, last.Add(timeout))
		err := v.qmp.Alive(ask)
		cancel()
		now := time.Now()
		switch {
		case v.qmp.Err() != nil || v.process.state() != nil:
			return v.explain(err)
		case ctx.Err() != nil:
			return ended.By(ctx)
		case err == nil:
			last = now
		case now.Sub(last) >= timeout:
			return &HangError{Name: v.config.Name, Pulse: Deaf, For: now.Sub(last)}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ended.By(ctx)
		case <-v.process.done:
			return v.explain(nil)
		}
	}
}

// watchHang does what Config.HangTimeout promises.
func (v *VM) watchHang() {
	if v.config.HangTimeout <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.stopWatch = cancel
	v.work.Go(func() {
		defer cancel()
		hang, ok := v.Watch(ctx, v.config.HangTimeout).(*HangError)
		if !ok {
			return
		}
		hang.Diagnosis = v.Diagnose(ctx)
		if ctx.Err() == nil { // nobody is closing it
			v.process.endBecause(hang)
			v.process.kill()
		}
	})
}
