package steps_test

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A verb of one's own: an entry in the table, and the constructor of its step, which Go
// programs use as well.
func ExampleVerbs() {
	announceSelf := func(rounds int) migration.Step {
		return migration.Step{
			Name:  fmt.Sprintf("announce-self %d", rounds),
			Wants: []string{"boot"}, // it makes no sense before the guest runs
			Do: func(ctx context.Context, p *migration.Pair) error {
				return p.Source.Execute(ctx, "announce-self", map[string]int{"initial": 50, "max": 550, "rounds": rounds, "step": 100})
			},
		}
	}
	vocabulary := append(steps.Verbs(), migration.Verb{
		Name: "announce-self", Args: "ROUNDS",
		Doc:     "Tells the network where the guest is, so many times.",
		Example: "announce-self 3",
		Step:    func(a *migration.Args) migration.Step { return announceSelf(a.Int("the number of rounds")) },
	})

	s, err := migration.Parse("mine", "mine.scenario", "boot\nannounce-self 3\n", vocabulary)
	fmt.Println(s.Steps[1].Name, err)
	_, err = migration.Parse("mine", "mine.scenario", "announce-self 3\nboot\n", vocabulary)
	fmt.Println(err)
	// Output:
	// announce-self 3 <nil>
	// mine.scenario:1: "announce-self 3" makes no sense before "boot": put that line above it
}

// Steps in Go are the same values that the lines of a scenario file become.
func ExampleSet() {
	fmt.Println(steps.Set(qapi.ParamMaxBandwidth, 60*steps.MB).Name)
	fmt.Println(steps.EnsureNonConverge().Name)
	// Output:
	// set max-bandwidth 60000000
	// set downtime-limit 1
}
