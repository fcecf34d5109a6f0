package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

func limitVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect no-switchover", Args: "[passes NUMBER]",
			Doc:     "The source has not stopped the guest since the migration began, though it may think that it could; with passes, waits for so many full ones, under limits that must not let it.",
			Example: "expect no-switchover passes 2",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("passes") {
					return ExpectNoSwitchoverInPasses(int64(a.Int("a number of passes")))
				}
				return ExpectNoSwitchover()
			},
		},
		{
			Name: "expect expected-downtime", Doc: "The expected-downtime of a migration that can't converge is above its downtime limit, and is what the guest keeps dirty divided by the bandwidth.",
			Example: "expect expected-downtime", Step: do(ExpectExpectedDowntime),
		},
		{
			Name: "expect downtime", Args: "TIME",
			Doc:     "The guest was paused for at most so long, between STOP on the source and RESUME on the destination, and for as long as the source reports, half a second more or less.",
			Example: "expect downtime 5s",
			Step:    func(a *migration.Args) migration.Step { return ExpectDowntime(a.Duration("a downtime")) },
		},
		{
			Name: "expect switchover-ack", Doc: "The destination's acknowledgement that the source may switch over came over the return path, before anything else.",
			Example: "expect switchover-ack", Step: do(ExpectSwitchoverAck),
		},
	}
}

// downtimeLimit is what the source's was set to last, 0 where it was not.
func downtimeLimit(p *migration.Pair) time.Duration {
	return time.Duration(limit(p, qapi.ParamDowntimeLimit) * float64(time.Millisecond))
}

// switchoverBandwidth is what the downtime is estimated with, in bytes a second: the
// bandwidth that was set for switchover, or else that it may
// use. It is 0 where neither was set.
func switchoverBandwidth(p *migration.Pair) float64 {
	return cmp.Or(limit(p, qapi.ParamSwitchoverBandwidth), limit(p, qapi.ParamMaxBandwidth))
}

// ExpectNoSwitchover demands that the guest has not stopped on the source since the
// migration began.
func ExpectNoSwitchover() migration.Step {
	return onMigration("expect no-switchover", func(ctx context.Context, p *migration.Pair) error {
		events, _ := p.Source.Events(ctx)
		for _, e := range events {
			if e.Name == "STOP" && !e.Time.Before(p.Source.Facts.Began) {
				return fmt.Errorf("the source stopped its guest%s, and that can't be within the downtime limit", atLink(p))
			}
		}
		return nil
	})
}

// atLink is a clause about how much was sent over the link, where it is tapped, and how
// much it lets pass.
func atLink(p *migration.Pair) string {
	r, err := Link(p)
	if err != nil {
		return ""
	}
	text := fmt.Sprintf(" with %d bytes sent over the link", r.Sent())
	if rate := *linkLimit.Of(p); rate > 0 {
		text = fmt.Sprintf(" with %d bytes sent over a link of %d MB/s", r.Sent(), rate/MB)
	}
	return text
}

// ExpectNoSwitchoverInPasses waits until the source has sent n passes, under limits that
// must not let it switch over.
func ExpectNoSwitchoverInPasses(n int64) migration.Step {
	return onMigration(fmt.Sprintf("expect no-switchover passes %d", n), func(ctx context.Context, p *migration.Pair) error {
		err := awaitPasses(ctx, p, n)
		if err == nil {
			return nil
		}
		most, bandwidth := downtimeLimit(p), switchoverBandwidth(p)
		if most == 0 || bandwidth == 0 {
			return err
		}
		allowed, dirty := bandwidth*most.Seconds(), float64(p.Program.Workload().Len())
		if host, slow := errors.AsType[*migration.HostError](err); slow && allowed >= dirty { // the limits explain it
			err = host.Cause
		}
		return fmt.Errorf("%w: a downtime-limit of %s at %.0f MB a second allows %.0f MB, and the guest keeps %.0f MB dirty",
			err, most, bandwidth/MB, allowed/MB, dirty/MB)
	})
}

// ExpectExpectedDowntime gathers what QEMU estimates the downtime that there would be now.
// While the migration can't converge it is more than the limit, and it is what the guest
// keeps dirty divided by the bandwidth, which one tenth of a second may have had little
// of. QEMU estimates it after the first synchronisation that comes a second after the start.
func ExpectExpectedDowntime() migration.Step {
	expect := onLink("expect expected-downtime", func(ctx context.Context, p *migration.Pair, r *Relay) error {
		allowed, bandwidth := downtimeLimit(p), switchoverBandwidth(p)
		if allowed == 0 || bandwidth == 0 {
			return errors.New("the source has no downtime limit, or no bandwidth: set downtime-limit and max-bandwidth before the migration")
		}
		least, most := float64(allowed.Milliseconds())+1, 0.0
		expected, remaining, rate := 0.0, uint64(0), uint64(0)
		err := p.PollAtMost(ctx, migration.LifeTimeout, "an expected downtime", func() (bool, error) {
			info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
			if err == nil && info.RAM != nil {
				expected = float64(info.ExpectedDowntime)
				remaining, rate = max(remaining, info.RAM.Remaining), max(rate, info.RAM.DirtyPagesRate)
			}
			// On a busy machine less goes over the link than may.
			goes := min(bandwidth, r.sample().since(sample{at: p.Facts.Source.Began}))
			most = 3 * 1000 * float64(p.Program.Workload().Len()) / goes
			return remaining > 0 && rate > 0 && expected >= least && expected <= most, err
		})
		if err != nil {
			return err
		}
		p.Measure("expected-downtime of a migration that can't converge", expected, "ms", record.Between(least, most))
		p.Measure("most that was reported remaining", float64(remaining), "bytes", record.AtLeast(ram.PageSize))
		p.Measure("most that was reported dirtied", float64(rate), "pages a second", record.AtLeast(1))
		return nil
	})
	expect.Wants = append(expect.Wants, "migrate")
	return expect
}

// downtimeSlack is how far apart the downtime may be that QEMU reports and the one
// that is seen from outside: QEMU counts from before STOP and up to the end of its
// own work, and the destination resumes a little later, on a machine that is busy.
const downtimeSlack = 500 * time.Millisecond

// ExpectDowntime gathers how long the guest was paused, as the source reports it and
// as the events of both sides show it.
func ExpectDowntime(most time.Duration) migration.Step {
	return migration.Step{
		Name: fmt.Sprintf("expect downtime %s", most), Wants: []string{awaitSwitchover},
		Do: func(ctx context.Context, p *migration.Pair) error {
			if p.Facts.Migration == nil || p.Destination == nil {
				return errNoMigration
			}
			stop, err := p.Source.Await(ctx, "STOP", migration.Named("STOP"))
			if err != nil {
				return err
			}
			resume, err := p.Destination.Await(ctx, "RESUME", migration.Named("RESUME"))
			if err != nil {
				return err
			}
			gap := float64(resume.Time.Sub(stop.Time).Milliseconds())
			reported := float64(p.Facts.Migration.DowntimeMS)
			slack := float64(downtimeSlack.Milliseconds())
			p.Measure("downtime between STOP and RESUME", gap, "ms", record.Between(0, float64(most.Milliseconds())+slack))
			p.Measure("downtime reported beyond that", reported-gap, "ms", record.Between(-slack, slack))
			return nil
		},
	}
}
