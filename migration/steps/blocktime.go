package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// blocktimes are what a destination reports of how long its vCPUs waited for pages, in ms but for
// latencies.
type blocktimes struct {
	Total   *float64  `json:"postcopy-blocktime"`
	VCPUs   []float64 `json:"postcopy-vcpu-blocktime"`
	Latency *float64  `json:"postcopy-latency"`
	Beside  float64   `json:"postcopy-non-vcpu-latency"`
	Each    []float64 `json:"postcopy-vcpu-latency"`
	Dist    []float64 `json:"postcopy-latency-dist"`
}

// blocktimeSlack is how much more a blocktime may be, in ms: of faults that overlap, QEMU 11.1
// counts for a vCPU only the last.
const blocktimeSlack = 150

// ExpectPostcopyBlocktime gathers for how long the destination's vCPUs waited for pages,
// where the kernel can report which thread waited: at least that percentage, from 0 to 100, of
// the time in which the guest ran without all its RAM, for the only vCPU.
func ExpectPostcopyBlocktime(least int64) migration.Step {
	name := "expect postcopy-blocktime"
	if least > 0 {
		name = fmt.Sprintf("%s %d%%", name, least)
	}
	return migration.Step{
		Name: name, Wants: []string{"enable postcopy-blocktime", startPostcopy, awaitSwitchover},
		Do: func(ctx context.Context, p *migration.Pair) error {
			if features, err := host.Userfaultfd(); err != nil || !features.ThreadID {
				return err
			}
			if p.Facts.Migration == nil {
				return errNoMigration
			}
			var reported blocktimes
			if err := json.Unmarshal(p.Facts.Migration.Destination, &reported); err != nil {
				return err
			}
			if reported.Total == nil {
				return errors.New("the destination's query-migrate has no postcopy-blocktime, and the kernel has the thread-id feature")
			}
			resume, err := p.Destination.Await(ctx, "RESUME", migration.Named("RESUME"))
			if err != nil {
				return err
			}
			completed, err := p.Destination.AwaitStatus(ctx, qapi.MigrationCompleted)
			if err != nil {
				return err
			}
			without := float64(completed.Time.Sub(resume.Time).Milliseconds())
			p.Measure("postcopy-blocktime", *reported.Total, "ms", record.Between(0, blocktimeSlack+without))
			return reported.expect(p, record.Between(without*float64(least)/100, blocktimeSlack+without))
		},
	}
}

// expect gathers whether the times fit together: with one vCPU, whose time, which has bounds, is
// all the time.
func (b blocktimes) expect(p *migration.Pair, only record.Bounds) error {
	if len(b.VCPUs) != 1 {
		return fmt.Errorf("the destination has 1 vCPU, and reports a postcopy-vcpu-blocktime of %d", len(b.VCPUs))
	}
	total, vcpu := *b.Total, b.VCPUs[0]
	p.Measure("postcopy-vcpu-blocktime of the only vCPU", vcpu, "ms", only)
	if b.Latency == nil { // before 10.1 a wait that overlaps another is in the vCPU's time only
		return nil
	}
	bounds := record.Between(-2-total*9/10, blocktimeSlack+total)
	if b.Beside > 0 { // other threads waited as well
		bounds = record.AtMost(blocktimeSlack + total)
	}
	if p.Facts.Arch != "s390x" { // 11.1 counts up to 45 ms less for the vCPU than in all there
		p.Measure("postcopy-vcpu-blocktime of the only vCPU, beyond postcopy-blocktime", vcpu-total, "ms", bounds)
	}
	if b.Beside > 0 {
		return nil
	}
	faults := 0.0
	for _, n := range b.Dist {
		faults += n
	}
	const nanosecond = 1e6 // of a ms
	sum := faults * *b.Latency / nanosecond
	p.Measure("postcopy-latency of all pages that were waited for, beyond postcopy-vcpu-blocktime", sum-vcpu, "ms", record.Between(-3-vcpu/5, 3+vcpu/5))
	if len(b.Each) == 1 && *b.Latency > 0 {
		p.Measure("postcopy-vcpu-latency of the only vCPU, to postcopy-latency", b.Each[0] / *b.Latency, "times", record.Between(0.5, 2))
	}
	return nil
}
