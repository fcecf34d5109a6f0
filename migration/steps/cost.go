package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

func costVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await heartbeats", Args: "NUMBER", Sides: []string{migration.SourceName, migration.DestinationName},
			Doc:     "Waits until the guest's console has had so many more heartbeats on that side, which tell how fast it runs.",
			Example: "destination: await heartbeats 8",
			Step: func(a *migration.Args) migration.Step {
				on, n := a.Side(), a.Int("how many")
				return AwaitHeartbeats(on, n)
			},
		},
		{
			Name: "await convergence", Args: "TIME",
			Doc:     "Gives the migration so long to converge under its downtime limit; one that does not is then let go at any downtime, and the record says so.",
			Example: "await convergence 5s",
			Step:    func(a *migration.Args) migration.Step { return AwaitConvergence(a.Duration("how long")) },
		},
	}
}

// AwaitHeartbeats waits until the guest's console has had n more heartbeats on that side.
func AwaitHeartbeats(on string, n int) migration.Step {
	return migration.Step{
		Name: fmt.Sprintf("await heartbeats %d on the %s", n, on), Wants: []string{"boot"}, Timeout: 2 * migration.StepTimeout,
		Do: func(ctx context.Context, p *migration.Pair) error {
			return each(p, on, func(s *migration.Side) error {
				what := fmt.Sprintf("%d heartbeats of the guest on the %s", n, on)
				_, err := s.Console().WaitFunc(ctx, s.Console().Mark(), what, func(output []byte) (int, error) {
					left := n
					for i, c := range output {
						if c == p.Program.Heartbeat {
							left--
						}
						if left <= 0 {
							return i + 1, nil
						}
					}
					return -1, nil
				})
				return err
			})
		},
	}
}

// AwaitConvergence waits so long for the source to stop its guest, and then lets it do so at
// any downtime. Which it was is in the record's costs.
func AwaitConvergence(within time.Duration) migration.Step {
	await := onMigration(fmt.Sprintf("await convergence %s", within), func(ctx context.Context, p *migration.Pair) error {
		// By the clock on the wall: what is measured is a time on it.
		wait, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		_, err := p.Source.Await(wait, "STOP", migration.Named("STOP"))
		if err == nil || wait.Err() == nil || ctx.Err() != nil {
			return err
		}
		p.NoteForced()
		return set(ctx, p.Source, qapi.ParamDowntimeLimit, []byte(fmt.Sprint(time.Minute.Milliseconds())))
	})
	return await.WithTimeout(within + migration.StepTimeout)
}
