package migration_test

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

// Every scenario tells what it does, before it does it.
func ExampleScenarios() {
	for _, s := range migration.Scenarios() {
		if s.Name != "precopy/unix/plain" {
			continue
		}
		fmt.Println(s.Doc)
		for _, step := range s.Story {
			fmt.Println("-", step.Name)
		}
	}
	// Output:
	// one full pass under a downtime limit that it can't meet, then room to converge
	// - set downtime-limit to 1ms
	// - set max-bandwidth to 1000000000
	// - boot
	// - listen on unix
	// - migrate
	// - await pass 1
	// - set downtime-limit to 300ms
	// - await switchover
}

// A scenario of one's own: the steps that are there, and one written in place.
func ExampleScenario_Run() {
	stopped := migration.Scenario{
		Name: "stopped",
		Doc:  "the guest is stopped before it is migrated, and stays so",
		Story: migration.Steps{
			migration.Boot(),
			{Name: "stop the source", Do: func(ctx context.Context, p *migration.Pair) error {
				return p.Source.QMP().Execute(ctx, "stop", nil, nil)
			}},
			migration.Listen(migration.TCP), migration.Migrate(),
		},
	}
	result, err := stopped.Run(context.Background(), migration.Options{Arch: "x86_64"})
	if err != nil {
		fmt.Println("it could not run:", err)
		return
	}
	fmt.Println(result.Name(), result.Outcome, result.Reason)
}
