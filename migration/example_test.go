package migration_test

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A scenario file is read with a vocabulary; what is wrong with one names the line, the
// word, and what would have been right.
func ExampleParse() {
	s, err := migration.Parse("mine", "mine.scenario", `# The guest moves over TCP.
boot
listen tcp
migrate
await switchover
`, steps.Verbs())
	fmt.Println(s.Doc, len(s.Steps), err)

	_, err = migration.Parse("mine", "mine.scenario", "boot\nlisten tpc\nmigrate\nawait switchovr\n", steps.Verbs())
	fmt.Println(err)
	// Output:
	// The guest moves over TCP. 4 <nil>
	// mine.scenario:2: "tpc" is nowhere to listen on: it is unix, tcp, tcp-range, vsock, exec, fd, a URI such as tcp:[::1]:0, or a JSON list of channels; write: listen unix|tcp|tcp-range|vsock|exec|fd|URI|CHANNELS [as channel] [exit-on-error false], for instance listen tcp:[::1]:0
	// mine.scenario:4: there is no verb "await switchovr"; did you mean await switchover?
}

// A scenario in Go: the steps that scenario files use, and one written in place. What a
// step leaves for a later one is in a slot.
func ExampleScenario_Run() {
	var before migration.Slot[byte]
	scenario := migration.Scenario{
		Name: "over-ipv6",
		Doc:  "The guest moves over IPv6, and its counter goes on.",
		Steps: migration.Steps{
			steps.Boot(),
			{Name: "note the counter", Do: func(ctx context.Context, p *migration.Pair) error {
				reading, err := p.Counter(ctx, p.Source)
				*before.Of(p) = reading.Value
				return err
			}},
			steps.Listen("tcp:[::1]:0"), steps.Set(qapi.ParamMaxBandwidth, 1*steps.GB), steps.UnlimitedDowntime(),
			steps.Migrate(), steps.AwaitSwitchover(),
			{Name: "expect another counter", Do: func(ctx context.Context, p *migration.Pair) error {
				return migration.Poll(ctx, "the counter to go on", func() (bool, error) {
					reading, err := p.Counter(ctx, p.Destination)
					return reading.Value != *before.Of(p), err
				})
			}},
		},
	}
	result, err := scenario.Run(context.Background(), migration.Options{Arch: "x86_64"})
	if err != nil {
		fmt.Println("it could not run:", err)
		return
	}
	fmt.Println(result.Name(), result.Outcome, result.Reason)
}
