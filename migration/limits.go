package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// What a migration is limited to is held against what is seen from outside.
func limits() []Scenario {
	return []Scenario{limitsBandwidth, limitsBandwidthMultifd, limitsPostcopyBandwidth, limitsDowntime, limitsSwitchoverBandwidth}
}

var limitsBandwidth = Scenario{
	Name: "limits/bandwidth",
	Doc:  "a first pass under a limit, timed on the link, and a second that is faster under twice that; then no limit that matters",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 60*MB),
		Boot(), Listen(TCP), Tap(), Migrate(), SeeThroughput(60*MB, 1.2, AwaitPass(1)),
		Set(MaxBandwidth, 120*MB), AwaitThroughput(75 * MB),
		Set(MaxBandwidth, 1*GB), atAnyDowntime(), AwaitSwitchover(),
	},
}

// In each tenth of a second QEMU sends what the channels have in hand beyond the limit:
// half a MiB each, which is a seventh of a limit as large as this.
var limitsBandwidthMultifd = Scenario{
	Name:  "limits/bandwidth/multifd",
	Doc:   "the same over four channels, which have the limit together",
	Needs: []Need{{Capability: Multifd}},
	Story: slices.Concat(WithMultifd(unhurried(), Set(MaxBandwidth, 150*MB)), Steps{
		Boot(), Listen(TCP), Tap(), Migrate(), SeeThroughput(150*MB, 1.3, AwaitMore(150*MB)),
		Set(MaxBandwidth, 1*GB), atAnyDowntime(), AwaitSwitchover(),
	}),
}

// In the tenth of a second in which the guest moves, precopy's limit held at first.
var limitsPostcopyBandwidth = Scenario{
	Name:        "limits/postcopy-bandwidth",
	Doc:         "RAM that is sent after the guest, which is kept from asking for it, under a limit of its own, and the rest under twice that",
	Needs:       []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Destination: waiting,
	Story: Steps{
		Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 400*MB), Set(MaxPostcopyBandwidth, 40*MB),
		Boot(), Listen(Unix), Tap(), Migrate(), AwaitPass(1), StartPostcopy(), SeePostcopyThroughput(40*MB, 1.3, AwaitMore(30*MB)),
		Set(MaxPostcopyBandwidth, 80*MB), SeePostcopyThroughput(80*MB, 1.2, AwaitArrival()), Continue(),
	},
}

// The workload keeps 104 MB dirty, and 150 ms at 400 MB/s are 60: too little, and would
// be enough if they were doubled, as the 300 ms would be that QEMU begins with. QEMU looks
// whether what is left fits when it believes so, and then finds what the guest has
// dirtied since. At last the link is slow, so that the guest stands for a second: what is
// reported of that can't be taken for chance.
var limitsDowntime = Scenario{
	Name: "limits/downtime",
	Doc:  "passes under a downtime limit that is more than half of what they need, then one at which the guest stands for a second",
	Story: Steps{
		Set(DowntimeLimit, 150*time.Millisecond), Set(MaxBandwidth, 400*MB),
		Boot(), Listen(Unix), Tap(), Migrate(),
		SeeNoConvergence(2, 150*time.Millisecond, 400*MB), SeeExpectedDowntime(150*time.Millisecond, 400*MB),
		SlowLink(100 * MB), Set(DowntimeLimit, 5*time.Second), AwaitSwitchover(), SeeDowntime(5 * time.Second),
	},
}

// AvailSwitchoverBandwidth is what the downtime is reckoned with in place of what was
// measured, in bytes a second.
const AvailSwitchoverBandwidth Parameter = "avail-switchover-bandwidth"

var limitsSwitchoverBandwidth = Scenario{
	Name:  "limits/switchover-bandwidth",
	Doc:   "there is bandwidth enough to converge, and the source is told that at switchover there will be a hundredth of it; then that there is more",
	Needs: []Need{{Schema: "migrate-set-parameters avail-switchover-bandwidth", What: "parameter avail-switchover-bandwidth"}},
	Story: Steps{
		letConverge(), Set(MaxBandwidth, 1*GB), Set(AvailSwitchoverBandwidth, 10*MB),
		Boot(), Listen(Unix), Migrate(), SeeNoConvergence(2, 300*time.Millisecond, 10*MB),
		Set(AvailSwitchoverBandwidth, 1*GB), atAnyDowntime(), AwaitSwitchover(),
	},
}

// SeeNoConvergence waits until the source has sent n passes, under limits that must not
// let it switch over.
func SeeNoConvergence(n int64, limit time.Duration, bandwidth float64) Step {
	return Step{Name: fmt.Sprintf("see no switchover in %d passes", n), Do: func(ctx context.Context, p *Pair) error {
		if err := AwaitPass(n).Do(ctx, p); err != nil {
			return fmt.Errorf("%w: a downtime-limit of %s at %.0f MB a second leaves room for %.0f MB, and the guest keeps %.0f MB dirty",
				err, limit, bandwidth/MB, bandwidth*limit.Seconds()/MB, float64(p.Program.Workload().Len())/MB)
		}
		return nil
	}}
}

// SeeExpectedDowntime gathers what QEMU takes the downtime for that there would be now.
// While the migration can't converge it is more than the limit, and it is what the guest
// keeps dirty divided by the bandwidth, which one tenth of a second may have had little
// of. QEMU reckons it after the first synchronisation that comes a second after the start.
func SeeExpectedDowntime(limit time.Duration, bandwidth float64) Step {
	return Step{Name: "see the expected downtime", Do: func(ctx context.Context, p *Pair) error {
		watch, cancel := p.run.atMost(ctx, lifePatience)
		defer cancel()
		least, most := float64(limit.Milliseconds())+1, 0.0
		expected, remaining, rate := 0.0, uint64(0), uint64(0)
		err := poll(watch, "an expected downtime", func() (bool, error) {
			info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
			if err == nil && info.RAM != nil {
				expected = float64(info.ExpectedDowntime)
				remaining, rate = max(remaining, info.RAM.Remaining), max(rate, info.RAM.DirtyPagesRate)
			}
			// On a busy machine less goes over the link than may.
			goes := min(bandwidth, p.tap.sample().since(sample{at: p.Facts.Source.Began}))
			most = 3 * 1000 * float64(p.Program.Workload().Len()) / goes
			return remaining > 0 && rate > 0 && expected >= least && expected <= most, err
		})
		if err != nil && watch.Err() == nil || ctx.Err() != nil {
			return err
		}
		p.measure("expected-downtime of a migration that can't converge", expected, "ms", record.Between(least, most))
		p.measure("most that was reported remaining", float64(remaining), "bytes", record.AtLeast(pageSize))
		p.measure("most that was reported dirtied", float64(rate), "pages a second", record.AtLeast(1))
		return nil
	}}
}

// downtimeSlack is how far apart the downtime may be that QEMU reports and the one
// that is seen from outside: QEMU counts from before STOP and up to the end of its
// own work, and the destination resumes a little later, on a machine that is busy.
const downtimeSlack = 500 * time.Millisecond

// SeeDowntime gathers how long the guest stood still, as the source reports it and
// as the events of both sides show it.
func SeeDowntime(limit time.Duration) Step {
	return Step{Name: "see the downtime", Do: func(ctx context.Context, p *Pair) error {
		stop, err := p.Source.Await(ctx, "STOP", named("STOP"))
		if err != nil {
			return err
		}
		resume, err := p.Destination.Await(ctx, "RESUME", named("RESUME"))
		if err != nil {
			return err
		}
		gap := float64(resume.Time.Sub(stop.Time).Milliseconds())
		reported := float64(p.Facts.Migration.DowntimeMS)
		slack := float64(downtimeSlack.Milliseconds())
		p.measure("downtime between STOP and RESUME", gap, "ms", record.Between(0, float64(limit.Milliseconds())+slack))
		p.measure("downtime reported beyond that", reported-gap, "ms", record.Between(-slack, slack))
		return nil
	}}
}
