package launcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/ended"
)

// measuredHeartbeats is how many of them a measurement waits for: half a second
// of TCG.
const measuredHeartbeats = 2

var errMeasured = errors.New("the measurement's time is over")

// measure boots the incrementer and looks how far it gets within the limit. The
// error says that ctx ended; whatever else goes wrong is part of the answer.
func measure(ctx context.Context, binary, arch, accel string, limit time.Duration) (Measurement, error) {
	m := Measurement{Accel: accel, Limit: limit}
	timed, cancel := context.WithTimeoutCause(ctx, limit, errMeasured)
	defer cancel()
	err := m.run(timed, binary, arch)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Measurement{}, ended.By(ctx)
	case timed.Err() == nil:
		m.Problem = strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return m, nil
}

// run fills in what it sees, as it sees it.
func (m *Measurement) run(ctx context.Context, binary, arch string) error {
	program, err := fixtures.For(arch)
	if err != nil {
		return err
	}
	began := time.Now()
	vm, err := Launch(ctx, Config{Binary: binary, Arch: arch, Name: "measured", Accel: m.Accel, Program: &program})
	if err != nil {
		return err
	}
	defer func() { _ = vm.Kill() }()
	console, place := vm.Console(), int64(0)
	if program.Marker != 0 { // the firmware's output comes before it
		if place, err = console.Wait(ctx, place, string(program.Marker)); err != nil {
			return err
		}
	}
	if place, err = console.Wait(ctx, place, string(program.Hello)); err != nil {
		return err
	}
	hello := console.timeOf(place - 1)
	m.Boot = hello.Sub(began)
	beats := strings.Repeat(string(program.Heartbeat), measuredHeartbeats)
	if place, err = console.Wait(ctx, place, beats); err != nil {
		return err
	}
	took := console.timeOf(place - 1).Sub(hello)
	if took <= 0 {
		return fmt.Errorf("its guest needed no time for %d rounds", measuredHeartbeats*program.HeartbeatRounds)
	}
	m.Rounds, m.Took = measuredHeartbeats*program.HeartbeatRounds, took
	return nil
}

// timeOf returns when the byte at a place, which has come, arrived.
func (c *Console) timeOf(place int64) time.Time {
	if chunks := c.Chunks(place); len(chunks) > 0 {
		return chunks[0].Time
	}
	return c.LastOutput() // forgotten: a console that printed too much meanwhile
}
