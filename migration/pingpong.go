package migration

import (
	"context"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A guest that has moved can move again; each leg is judged like a migration of its own.
func pingpong() []Scenario { return []Scenario{pingpongThrice, pingpongReset} }

// leg moves a live guest to the destination that there is now.
func leg(over Transport) Steps {
	return Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Listen(over), Migrate(), AwaitPass(1), atAnyDowntime(), AwaitSwitchover(),
	}
}

var pingpongThrice = Scenario{
	Name: "pingpong",
	Doc:  "there, back, and there again",
	Story: slices.Concat(Steps{Boot()}, leg(Unix), arrived(),
		Steps{TurnAround(), SourceRunsOn()}, leg(TCP), arrived(),
		Steps{TurnAround(), SourceRunsOn()}, leg(Unix)),
}

var pingpongReset = Scenario{
	Name: "pingpong/reset",
	Doc:  "there, where the guest is reset and boots again, and back",
	Story: slices.Concat(Steps{Boot()}, leg(Unix), arrived(),
		Steps{TurnAround(), ResetGuest()}, leg(Unix)),
}

// TurnAround makes the destination, whose guest has been stopped, the source of what
// comes next, and starts another destination: the QEMU that the source was. What was
// seen so far is a leg of its own.
func TurnAround() Step {
	return Step{Name: "turn around", Do: func(ctx context.Context, p *Pair) (err error) {
		p.gatherLogs(ctx)
		p.Facts.Teardown = &record.TeardownFacts{Exits: []record.ExitFacts{p.quit(ctx, p.Source)}}
		p.Facts.NextLeg()
		for _, side := range []string{SourceName, DestinationName} {
			if err := p.run.keepLogs(side, fmt.Sprintf("leg%d", len(p.Facts.Legs))); err != nil {
				return err
			}
		}
		p.run.turned = !p.run.turned
		p.uri, p.channel = "", false
		p.Source, p.Destination = p.Destination, nil
		p.Source.role, p.Source.Facts = SourceName, p.Facts.Source
		if p.Destination, err = p.launch(ctx, p.run.config(DestinationName), p.Facts.Destination); err != nil {
			return err
		}
		return qapi.Cont(ctx, p.Source.QMP())
	}}
}

// ResetGuest resets the machine, waits until the guest program runs again, and plants
// the devices' canaries anew.
func ResetGuest() Step {
	return Step{Name: "reset the guest", Do: func(ctx context.Context, p *Pair) error {
		if err := qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		from := p.Source.Console().Mark()
		if err := qapi.SystemReset(ctx, p.Source.QMP()); err != nil {
			return err
		}
		if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
			return err
		}
		return p.awaitBoot(ctx, from)
	}}
}
