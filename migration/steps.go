package migration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// Boot waits until the guest program runs: its greeting and its first heartbeat.
// Then it writes to memory, and to devices' registers, what has to arrive with the guest.
func Boot() Step {
	return Step{Name: "boot", Phase: record.PhaseBoot, Within: 40 * time.Second, Do: func(ctx context.Context, p *Pair) error {
		began := time.Now()
		err := p.awaitBoot(ctx, 0)
		p.run.notePace(time.Since(began))
		return err
	}}
}

// awaitBoot waits for what the guest program says when it begins, on the source's
// console from that place on, and plants the marks in RAM and the devices' canaries.
func (p *Pair) awaitBoot(ctx context.Context, from int64) error {
	_, err := p.Source.Console().WaitFunc(ctx, from, "the guest program's first heartbeat", func(said []byte) (int, error) {
		return booted(p.Program, said)
	})
	if err != nil {
		return err
	}
	if err := p.plantMarks(ctx); err != nil {
		return err
	}
	p.planted = nil
	return p.plantCanaries(ctx)
}

// Migrate begins to send the guest to where the destination listens.
func Migrate() Step {
	return Step{Name: "migrate", Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error { return p.migrate(ctx, p.uri) }}
}

// MigrateTo begins to send the guest to the URI given.
func MigrateTo(uri string) Step {
	return Step{Name: "migrate to " + uri, Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error { return p.migrate(ctx, uri) }}
}

func (p *Pair) migrate(ctx context.Context, uri string) error {
	to := qapi.MigrateArguments{URI: uri}
	if p.channel {
		channel, err := channelOf(uri)
		if err != nil {
			return err
		}
		to = qapi.MigrateArguments{Channels: []qapi.MigrationChannel{channel}}
	}
	return p.migrateTo(ctx, to)
}

func (p *Pair) migrateTo(ctx context.Context, to qapi.MigrateArguments) error {
	if !p.Source.Facts.Began.IsZero() {
		if err := p.Source.awaitPutAway(ctx); err != nil {
			return err
		}
	}
	p.Source.since = p.Source.QMP().Mark()
	p.Source.Facts.Began = time.Now()
	p.Facts.KnownBug = p.knownBug()
	for _, s := range p.Sides() {
		s.Facts.SaidBefore = s.Stderr()
	}
	return qapi.Migrate(ctx, p.Source.QMP(), to)
}

// AwaitPass waits until the source has sent n full passes over the guest's
// RAM. A guest that has moved by then is an error: the passes were to be seen
// because it can't converge.
//
// QEMU announces each synchronisation of its dirty bitmap with MIGRATION_PASS;
// the first comes before the first pass. Up to 10.0 the next comes when a pass
// is done, but 11.1 has one every 100 ms when postcopy is enabled, so what has
// been sent is looked at as well.
func AwaitPass(n int64) Step {
	return Step{Name: fmt.Sprintf("await pass %d", n), Do: func(ctx context.Context, p *Pair) error {
		from := p.Source.since
		for {
			event, err := p.Source.AwaitFrom(ctx, from, "a pass", func(e qmp.Event) bool { return e.Name == "STOP" || passOf(e) > n })
			if err != nil {
				return err
			}
			if event.Name == "STOP" {
				return fmt.Errorf("the source switched over before pass %d was done, under limits that should not let it, %s", n, p.Source.isAt(ctx))
			}
			done, err := p.Source.passesDone(ctx)
			if err != nil {
				return err
			}
			if done >= n {
				p.noteThroughput()
				return nil
			}
			from = event.Next()
		}
	}}
}

// AwaitMorePasses waits until the source has sent as many pages again as n full passes
// over the guest's RAM have: what was written before has then been sent.
func AwaitMorePasses(n int64) Step {
	return Step{Name: fmt.Sprintf("await %d more full passes", n), Do: func(ctx context.Context, p *Pair) error {
		done, err := p.Source.passesDone(ctx)
		if err != nil {
			return err
		}
		return AwaitPass(done+n).Do(ctx, p)
	}}
}

// passOf returns the number that a MIGRATION_PASS event carries, 0 for any other.
func passOf(e qmp.Event) int64 {
	var data struct {
		Pass int64 `json:"pass"`
	}
	if e.Name != "MIGRATION_PASS" || e.Decode(&data) != nil {
		return 0
	}
	return data.Pass
}

// passesDone is how often as many pages as the guest has were sent. What fits
// into the downtime limit may be left of a pass when it ends, so one that is
// nine tenths done counts.
func (s *Side) passesDone(ctx context.Context) (int64, error) {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil || info.RAM == nil || info.RAM.Total == 0 {
		return 0, err
	}
	pages := info.RAM.Normal + info.RAM.Duplicate
	if info.XBZRLE != nil {
		pages += uint64(info.XBZRLE.Pages)
	}
	return int64(float64(pages*info.RAM.PageSize)/float64(info.RAM.Total) + 0.1), nil
}

// StartPostcopy tells the source to let the guest run on the destination now,
// and to send the rest of its RAM afterwards.
func StartPostcopy() Step {
	return Step{Name: "migrate-start-postcopy", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		return p.Source.tell(ctx, "migrate-start-postcopy", nil)
	}}
}

// AwaitSwitchover waits until the guest has stopped on the source and runs on
// the destination, and until both sides call the migration completed.
func AwaitSwitchover() Step {
	return Step{Name: "await switchover", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		if err := p.completed(ctx, func(ctx context.Context) error { return p.Destination.completes(ctx, "RESUME") }); err != nil {
			return err
		}
		return p.noteMigration(ctx)
	}}
}

// completed waits until the guest has stopped on the source and both sides call the
// migration completed; arrives is how the destination's is waited for.
func (p *Pair) completed(ctx context.Context, arrives func(ctx context.Context) error) error {
	var left, arrived error
	g, both := errgroup.WithContext(ctx)
	g.Go(func() error { left = p.Source.completes(both, "STOP"); return left })
	g.Go(func() error { arrived = arrives(both); return arrived })
	err := g.Wait()
	switch {
	case err == nil:
		_, err = p.settled(ctx, p.Source)
	case ctx.Err() != nil && left != nil && arrived != nil: // the one may hang for the other does
		err = fmt.Errorf("%w; %w", left, arrived)
	}
	return err
}

func (s *Side) completes(ctx context.Context, event string) error {
	if _, err := s.Await(ctx, event, named(event)); err != nil {
		return err
	}
	return s.AwaitStatus(ctx, qapi.MigrationCompleted)
}

// DestinationGivesUp waits until the destination has ended by itself, as a QEMU
// does whose incoming migration fails: with status 1, and saying why.
func DestinationGivesUp(words ...string) Step {
	return Step{Name: "await the end of the destination", Do: func(ctx context.Context, p *Pair) error {
		d := p.Destination
		select {
		case <-d.Exited():
		case <-ctx.Done():
			return fmt.Errorf("the destination should have given up, and goes on, %s: %w", d.isAt(ctx), context.Cause(ctx))
		}
		if d.ExitState().ExitCode() != 1 {
			return fmt.Errorf("the destination ended with %s, expected exit status 1: %s", d.ExitState(), d.Stderr())
		}
		for _, word := range words {
			if !strings.Contains(d.Stderr(), word) {
				return fmt.Errorf("the destination's last words do not name %s: %q", word, d.Stderr())
			}
		}
		d.gaveUp = true
		return nil
	}}
}

// AwaitFailure waits until the source gives the migration up, which it must do
// without ever having called it active.
func AwaitFailure() Step {
	return Step{Name: "await failure", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		event, err := p.Source.Await(ctx, "status failed", func(e qmp.Event) bool {
			status := statusOf(e)
			return status != "" && status != qapi.MigrationSetup && status != qapi.MigrationFailing
		})
		if err != nil {
			return err
		}
		if status := statusOf(event); status != qapi.MigrationFailed {
			return fmt.Errorf("the source's migration status went to %s, where it should have failed at once", status)
		}
		return p.noteMigration(ctx)
	}}
}
