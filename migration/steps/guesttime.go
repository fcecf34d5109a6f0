package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// The guest's time, and how long it waits for a page.
func guestTimeVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect guest-clock", Args: "paused TIME",
			Doc:     "A PC's clock (the ACPI timer) is on the destination, which waits, what it was on the source, stays so for that time, and goes on from there when the guest is let run.",
			Example: "expect guest-clock paused 2s",
			Step: func(a *migration.Args) migration.Step {
				if !a.Option("paused") {
					a.Fail("for how long the guest is paused on the destination is missing: paused 2s")
				}
				return ExpectGuestClock(a.Duration("for how long"))
			},
		},
		{
			Name: "await page-requests", Args: "NUMBER",
			Doc:     "Waits until the guest, which runs on the destination without all its RAM, has asked the source for so many more pages.",
			Example: "await page-requests 100",
			Step:    func(a *migration.Args) migration.Step { return AwaitPageRequests(a.Int("the number")) },
		},
		{
			Name: "expect page-requests", Args: "[below SIZE] within TIME",
			Doc:     "Pages that have not come yet, and are looked at on the destination after the guest has moved, are there within that time, whatever else the link is used for; pages below that guest-physical address, or those of the workload.",
			Example: "expect page-requests within 100ms",
			Step: func(a *migration.Args) migration.Step {
				below := int64(0)
				if a.Option("below") {
					below = a.Size("the guest-physical address")
				}
				if !a.Option("within") {
					a.Fail("how long a page may take is missing: within 100ms")
				}
				return ExpectPageRequests(uint64(below), a.Duration("how long a page may take"))
			},
		},
	}
}

// The ACPI timer of QEMU's PCs, where their firmware puts it.
const (
	timerPort = 0x608
	timerRate = 3579545 // Hz
	timerBits = 24
)

// clockSlack is how long the guest's clock may be read before or after ours.
const clockSlack = 100 * time.Millisecond

// ExpectGuestClock gathers what becomes of the guest's clock on a destination that waits for so
// long, and lets the guest run then.
func ExpectGuestClock(paused time.Duration) migration.Step {
	expect := onArrival("expect guest-clock", func(ctx context.Context, p *migration.Pair) error {
		left, err := p.Source.QTest().Inl(ctx, timerPort)
		if err != nil {
			return err
		}
		q := p.Destination.QTest()
		arrived, err := q.Inl(ctx, timerPort)
		if err != nil {
			return err
		}
		if err := letPass(ctx, paused); err != nil {
			return err
		}
		waited, err := q.Inl(ctx, timerPort)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := ContinueOnDestination().Do(ctx, p); err != nil {
			return err
		}
		now, err := q.Inl(ctx, timerPort)
		if err != nil {
			return err
		}
		ran := time.Since(began)
		ms := func(from, to uint32) float64 {
			return float64((to-from)&(1<<timerBits-1)) * 1000 / timerRate
		}
		p.Measure("the guest's clock on the destination, beyond the source's", ms(left, arrived), "ms by the guest's clock", record.Exactly(0))
		p.Measure("the guest's clock after it was paused on the destination, beyond that on arrival", ms(arrived, waited), "ms by the guest's clock", record.Exactly(0))
		p.Measure("the guest's clock when it was let run, beyond that before", ms(waited, now), "ms", record.AtMost(float64((ran + clockSlack).Milliseconds())))
		return nil
	})
	expect.Gives = []string{"destination: cont"}
	return expect.WithTimeout(paused + migration.StepTimeout)
}

// letPass returns when so much time has gone by, in which something is to stay as it is.
func letPass(ctx context.Context, d time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-wait.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// pagesLooked is at how many pages it is looked, and of how many of those the middle one
// counts.
const pagesLooked = 7

// ExpectPageRequests gathers how long pages take that have not come yet when they are looked at
// on the destination: some of half of the workload, or of as many bytes below a guest-physical
// address that isn't 0.
func ExpectPageRequests(below uint64, most time.Duration) migration.Step {
	return migration.Step{Name: "expect page-requests", Wants: []string{startPostcopy}, Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil {
			return errNoDestination
		}
		before, err := requested(ctx, p)
		if err != nil {
			return err
		}
		var took []time.Duration
		pages := p.Program.Workload().Len() / p.Program.Stride
		end := cmp.Or(below, p.Program.End)
		for i := range uint64(pagesLooked) {
			began := time.Now()
			// Going down, for the guest goes up, and QEMU sends what follows a page.
			if _, err := p.Destination.QTest().Readb(ctx, end-p.Program.Stride*(1+i*pages/(2*pagesLooked))); err != nil {
				return fmt.Errorf("a page that was looked at on the destination after %v: %w", took, err)
			}
			took = append(took, time.Since(began))
		}
		after, err := requested(ctx, p)
		if err != nil {
			return err
		}
		slices.Sort(took)
		p.Measure("pages requested while some were looked at", after-before, "pages", record.AtLeast(pagesLooked/2+1))
		p.Measure("time that a page took to come that was looked at", float64(took[pagesLooked/2].Microseconds())/1000, "ms", record.AtMost(float64(most.Milliseconds())))
		return nil
	}}
}

// AwaitPageRequests waits until the guest, which runs without all its RAM, has asked the source
// for so many more pages: so it goes on.
func AwaitPageRequests(number int) migration.Step {
	return migration.Step{Name: fmt.Sprintf("await page-requests %d", number), Wants: []string{startPostcopy}, Do: func(ctx context.Context, p *migration.Pair) error {
		before, err := requested(ctx, p)
		if err != nil {
			return err
		}
		return migration.Poll(ctx, fmt.Sprintf("the guest to ask for %d more pages", number), func() (bool, error) {
			now, err := requested(ctx, p)
			return now >= before+float64(number), err
		})
	}}
}

// requested is how many pages the source counts as requested by now.
func requested(ctx context.Context, p *migration.Pair) (float64, error) {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	if err != nil || info.RAM == nil {
		return 0, err
	}
	return float64(info.RAM.PostcopyRequests), nil
}
