package steps

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// What QEMU reports is held against what the workload is known to do, and against each other.
func numberVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect rates",
			Doc:     "What the source reports of a migration that can't converge fits together and fits the guest: pages a second and bits a second, what remains and what all has, what is dirtied and what a pass sends.",
			Example: "expect rates", Step: do(ExpectRates),
		},
		{
			Name:    "expect requests-on-link",
			Doc:     "The source counts as many requested pages as the destination has asked for over the return path, which a tap has read.",
			Example: "expect requests-on-link", Step: do(ExpectRequestsOnLink),
		},
	}
}

// A rateSample is what the source reports at one moment of a migration.
type rateSample struct {
	Remaining *float64
	RAM       struct {
		Remaining, Total, MBPS float64
		PagesPerSecond         float64 `json:"pages-per-second"`
		DirtyPagesRate         float64 `json:"dirty-pages-rate"`
	}
}

// ratesWatched is for how long the source's rates are looked at: it makes those of what is
// sent anew every tenth of a second.
const ratesWatched = 400 * time.Millisecond

// ExpectRates gathers what the source reports while the guest dirties all of its workload in
// each pass.
func ExpectRates() migration.Step {
	expect := onMigration("expect rates", func(ctx context.Context, p *migration.Pair) error {
		var samples []rateSample
		began := time.Now()
		err := migration.Poll(ctx, "rates of the migration", func() (bool, error) {
			var now rateSample
			if err := p.Source.QMP().Execute(ctx, "query-migrate", nil, &now); err != nil {
				return false, err
			}
			if now.RAM.Total == 0 {
				return false, errors.New("the source reports no RAM, and rates are looked at while a migration is under way")
			}
			samples = append(samples, now)
			return time.Since(began) >= ratesWatched && slices.ContainsFunc(samples, func(s rateSample) bool { return s.RAM.PagesPerSecond > 0 && s.RAM.DirtyPagesRate > 0 }), nil
		})
		if err != nil {
			return fmt.Errorf("of %d looks none had rates of pages that were sent and dirtied: %w", len(samples), err)
		}
		measureRates(ctx, p, samples)
		return nil
	})
	expect.Wants = append(expect.Wants, "migrate")
	return expect
}

// measureRates holds the samples against the workload. Of rates the median counts: one tenth
// of a second may have had little of them.
func measureRates(ctx context.Context, p *migration.Pair, samples []rateSample) {
	workload := float64(p.Program.Workload().Len())
	var bits []float64
	all, most, dirtied := 0.0, 0.0, 0.0
	for _, s := range samples {
		if s.RAM.PagesPerSecond > 0 && s.RAM.MBPS > 0 {
			bits = append(bits, s.RAM.PagesPerSecond*ram.PageSize*8/1e6/s.RAM.MBPS)
		}
		if s.Remaining != nil {
			all = max(all, *s.Remaining)
		}
		most, dirtied = max(most, s.RAM.Remaining), max(dirtied, s.RAM.DirtyPagesRate)
	}
	p.Measure("bits of the pages a second that are reported, to the bits a second", median(bits), "times", record.Between(0.93, 1.07))
	p.Measure("most that was reported remaining of RAM, to what the guest dirties", most/workload, "times", record.Between(0.75, 1.2))
	if all > 0 { // since 11.0
		p.Measure("most that was reported remaining of all, to that of RAM", all/most, "times", record.Between(0.6, 1.4))
	}
	if passed := passRate(ctx, p.Source); passed > 0 {
		p.Measure("reported dirtied, to all of the workload in each pass", dirtied/(workload/ram.PageSize*passed), "times", record.Between(0.2, 0.9))
	}
}

func median(of []float64) float64 {
	if len(of) == 0 {
		return math.NaN()
	}
	of = slices.Clone(of)
	slices.Sort(of)
	return of[len(of)/2]
}

// passRate is how many passes the side makes a second, from its second to its last by its
// events; 0 where there are too few to tell.
func passRate(ctx context.Context, s *migration.Side) float64 {
	events, _ := s.Events(ctx)
	var at []time.Time
	for _, e := range events {
		if e.Name == "MIGRATION_PASS" && e.Time.After(s.Facts.Began) {
			at = append(at, e.Time)
		}
	}
	if len(at) < 3 {
		return 0
	}
	return float64(len(at)-2) / at[len(at)-1].Sub(at[1]).Seconds()
}

// Messages of the return path (migration/migration.h in QEMU): each has its kind and the length
// of what follows, two bytes each.
const (
	requestOfNamed, requestOfSame = 3, 4 // pages of a block that is named, and of the last one
	mostMessage                   = 16
)

// requestsIn counts the pages that are asked for in what came back over a connection.
func requestsIn(data []byte) (n int, err error) {
	for len(data) >= 4 {
		kind, length := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if kind == 0 || kind > mostMessage {
			return n, fmt.Errorf("the return path has a message of kind %d: is it encrypted?", kind)
		}
		if kind == requestOfNamed || kind == requestOfSame {
			n++
		}
		data = data[min(len(data), 4+length):]
	}
	return n, nil
}

// requestsUnder is how many of the last requests a source may not have taken: it is done when
// all has been sent.
const requestsUnder = 8

// ExpectRequestsOnLink gathers how many pages were requested over the return path, and how
// many the source counts.
func ExpectRequestsOnLink() migration.Step {
	expect := onDrainedLink("expect requests-on-link", func(ctx context.Context, p *migration.Pair, r *Relay) error {
		var reported struct {
			RAM struct {
				Requests *float64 `json:"postcopy-requests"`
			}
		}
		if p.Facts.Migration == nil {
			return errNoMigration
		}
		if err := json.Unmarshal(p.Facts.Migration.Source, &reported); err != nil || reported.RAM.Requests == nil {
			return fmt.Errorf("the source's query-migrate has no postcopy-requests: %w", err)
		}
		asked := 0
		for i, l := range r.connections() {
			select { // the source may have got the last request before it is kept
			case <-l.Back.Done():
			case <-ctx.Done():
				return fmt.Errorf("%w: connection %d of the migration is still open to the source after its end", context.Cause(ctx), i+1)
			}
			data, all := l.Back.Kept()
			n, err := requestsIn(data)
			if err == nil && !all {
				err = errors.New("too much came back to be kept")
			}
			if err != nil {
				return fmt.Errorf("connection %d: %w", i+1, err)
			}
			asked += n
		}
		p.Measure("pages that the source counts as requested, of those that the destination asked for", *reported.RAM.Requests, "pages",
			record.Between(float64(asked-requestsUnder), float64(asked)))
		p.Measure("pages that the destination asked for over the link", float64(asked), "pages", record.AtLeast(1))
		return nil
	})
	expect.Wants = append(expect.Wants, startPostcopy, awaitSwitchover)
	return expect
}
