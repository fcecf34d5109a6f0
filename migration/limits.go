package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// What a migration is limited to is held against what is seen from outside.
func limits() []Scenario { return []Scenario{limitsBandwidth, limitsPostcopyBandwidth, limitsDowntime} }

var limitsBandwidth = Scenario{
	Name: "limits/bandwidth",
	Doc:  "a first pass under a limit, timed on the link; then no limit that matters",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 60*MB),
		Boot(), Listen(TCP), Tap(), Migrate(), SeeThroughput(60*MB, 1),
		Set(MaxBandwidth, 1*GB), letConverge(), AwaitSwitchover(),
	},
}

var limitsPostcopyBandwidth = Scenario{
	Name:        "limits/postcopy-bandwidth",
	Doc:         "RAM that is sent after the guest, which is kept from asking for it, under a limit of its own",
	Needs:       []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Destination: waiting,
	Story: Steps{
		Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 400*MB), Set(MaxPostcopyBandwidth, 60*MB),
		Boot(), Listen(Unix), Tap(), Migrate(), AwaitPass(1), StartPostcopy(),
		SeePostcopyThroughput(60 * MB), Continue(),
	},
}

var limitsDowntime = Scenario{
	Name: "limits/downtime",
	Doc:  "three passes under a downtime limit that they can't meet, then a limit that is kept",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(3),
		letConverge(), AwaitSwitchover(), SeeDowntime(),
	},
}

// SeeThroughput gathers what goes over the link from the start of the migration
// until the source has sent its n-th pass: no more than the limit and a quarter, and
// at least a third of it.
func SeeThroughput(limit float64, n int64) Step {
	return Step{Name: fmt.Sprintf("see the throughput until pass %d", n), Do: func(ctx context.Context, p *Pair) error {
		active := func(e qmp.Event) bool { return statusOf(e) == "active" }
		if _, err := p.Source.Await(ctx, "status active", active); err != nil {
			return err
		}
		measured := p.tap.throughput()
		if err := AwaitPass(n).Do(ctx, p); err != nil {
			return err
		}
		p.measure("throughput on the link", measured(), "bytes a second", record.Between(limit/3, limit*1.25))
		return nil
	}}
}

// SeePostcopyThroughput gathers what goes over the link from when the guest has moved
// until all its RAM has.
func SeePostcopyThroughput(limit float64) Step {
	return Step{Name: "see the throughput of postcopy", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.AwaitStatus(ctx, qapi.MigrationPostcopyActive); err != nil {
			return err
		}
		measured := p.tap.throughput()
		if err := AwaitArrival().Do(ctx, p); err != nil {
			return err
		}
		p.measure("throughput on the link after the guest", measured(), "bytes a second", record.Between(limit/3, limit*1.25))
		return nil
	}}
}

// noteThroughput gathers what has gone over the link since the last time, or since the
// migration began, and the limit that there was.
func (p *Pair) noteThroughput() {
	began := p.Facts.Source.Began
	if p.tap == nil || began.IsZero() {
		return
	}
	now, sent := time.Now(), p.tap.sent()
	link := record.Paced{Seconds: now.Sub(began).Seconds(), Bytes: sent}
	if p.paced.since.After(began) {
		link = record.Paced{Seconds: now.Sub(p.paced.since).Seconds(), Bytes: sent - p.paced.sent}
	}
	_ = json.Unmarshal(p.Facts.Parameters[string(MaxBandwidth)], &link.Limit)
	p.Facts.Paced = append(p.Facts.Paced, link)
	p.paced.since, p.paced.sent = now, sent
}

// paced is when the throughput was looked at last, and what had been sent by then.
type paced struct {
	since time.Time
	sent  int64
}

// downtimeSlack is how far apart the downtime may be that QEMU reports and the one
// that is seen from outside: QEMU counts from before STOP and up to the end of its
// own work, and the destination resumes a little later, on a machine that is busy.
const downtimeSlack = 500 * time.Millisecond

// SeeDowntime gathers how long the guest stood still, as the source reports it and
// as the events of both sides show it.
func SeeDowntime() Step {
	return Step{Name: "see the downtime", Do: func(ctx context.Context, p *Pair) error {
		stop, err := p.Source.Await(ctx, "STOP", func(e qmp.Event) bool { return e.Name == "STOP" })
		if err != nil {
			return err
		}
		resume, err := p.Destination.Await(ctx, "RESUME", func(e qmp.Event) bool { return e.Name == "RESUME" })
		if err != nil {
			return err
		}
		gap := float64(resume.Time.Sub(stop.Time).Milliseconds())
		reported := float64(p.Facts.Migration.DowntimeMS)
		slack := float64(downtimeSlack.Milliseconds())
		p.measure("downtime between STOP and RESUME", gap, "ms", record.Between(0, 300+slack))
		p.measure("downtime reported beyond that", reported-gap, "ms", record.Between(-slack, slack))
		return nil
	}}
}
