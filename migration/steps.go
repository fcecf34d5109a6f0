package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// A Parameter is one of QEMU's migration parameters.
type Parameter string

const (
	DowntimeLimit Parameter = "downtime-limit" // a time.Duration, to the millisecond
	MaxBandwidth  Parameter = "max-bandwidth"  // bytes a second

	MaxPostcopyBandwidth Parameter = "max-postcopy-bandwidth" // bytes a second, 0 for no limit

	MultifdChannels    Parameter = "multifd-channels"
	MultifdCompression Parameter = "multifd-compression"
	ZeroPages          Parameter = "zero-page-detection"

	XBZRLECacheSize Parameter = "xbzrle-cache-size" // bytes, a power of two
)

// Bandwidths, in bytes a second.
const (
	MB = 1000 * 1000
	GB = 1000 * MB
)

// A Capability is one of QEMU's migration capabilities.
type Capability string

const (
	PostcopyRAM       Capability = "postcopy-ram"
	PostcopyBlocktime Capability = "postcopy-blocktime"
	XBZRLE            Capability = "xbzrle"
	ValidateUUID      Capability = "validate-uuid"
	PostcopyPreempt   Capability = "postcopy-preempt"
	Multifd           Capability = "multifd"
	IgnoreShared      Capability = "x-ignore-shared"
	PauseBefore       Capability = "pause-before-switchover"
)

// Set gives the source's parameter a value, also while a migration is under
// way, and reads it back.
func Set(parameter Parameter, value any) Step {
	return Step{Name: fmt.Sprintf("set %s to %v", parameter, value), Do: func(ctx context.Context, p *Pair) error {
		return p.setOnSource(ctx, parameter, value)
	}}
}

// SetOnBoth is Set for a parameter that both sides have to agree on.
func SetOnBoth(parameter Parameter, value any) Step {
	return Step{Name: fmt.Sprintf("set %s to %v on both", parameter, value), Do: func(ctx context.Context, p *Pair) error {
		if err := p.Destination.set(ctx, parameter, value); err != nil {
			return err
		}
		return p.setOnSource(ctx, parameter, value)
	}}
}

// setOnSource is what the checks are told of.
func (p *Pair) setOnSource(ctx context.Context, parameter Parameter, value any) error {
	if parameter == MaxBandwidth {
		p.noteThroughput()
	}
	if p.Facts.Parameters == nil {
		p.Facts.Parameters = map[string]json.RawMessage{}
	}
	var err error
	if p.Facts.Parameters[string(parameter)], err = parameterText(value); err != nil {
		return err
	}
	return p.Source.set(ctx, parameter, value)
}

// parameterText is a value as QEMU takes it, and gives it back.
func parameterText(value any) (json.RawMessage, error) {
	if d, ok := value.(time.Duration); ok {
		value = d.Milliseconds()
	}
	return json.Marshal(value)
}

func (s *Side) set(ctx context.Context, parameter Parameter, value any) error {
	text, err := parameterText(value)
	if err != nil {
		return err
	}
	if err := qapi.SetMigrateParameters(ctx, s.QMP(), map[string]any{string(parameter): text}); err != nil {
		return err
	}
	return parameterIs(ctx, s, parameter, string(text))
}

// parameterIs reads a parameter and compares it with the JSON text expected.
func parameterIs(ctx context.Context, s *Side, parameter Parameter, want string) error {
	var all map[string]json.RawMessage
	if err := s.QMP().Execute(ctx, "query-migrate-parameters", nil, &all); err != nil {
		return err
	}
	if got := string(all[string(parameter)]); got != want {
		return fmt.Errorf("the %s's %s was set to %s and reads back %q", s.Name(), parameter, want, got)
	}
	return nil
}

// Enable turns a capability on, on both sides.
func Enable(capability Capability) Step {
	return Step{Name: "enable " + string(capability), Do: func(ctx context.Context, p *Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error { return s.enable(ctx, capability) })
	}}
}

// EnableOnDestination turns on a capability that concerns only who receives.
func EnableOnDestination(capability Capability) Step {
	return Step{Name: "enable " + string(capability) + " on the destination", Do: func(ctx context.Context, p *Pair) error {
		return p.Destination.enable(ctx, capability)
	}}
}

func (s *Side) enable(ctx context.Context, capability Capability) error {
	if err := qapi.SetMigrateCapabilities(ctx, s.QMP(), map[string]bool{string(capability): true}); err != nil {
		return err
	}
	all, err := qapi.QueryMigrateCapabilities(ctx, s.QMP())
	if err == nil && !all[string(capability)] {
		err = fmt.Errorf("the %s's capability %s was enabled, and reads back as it was", s.Name(), capability)
	}
	return err
}

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
	if _, err := s.Await(ctx, event, func(e qmp.Event) bool { return e.Name == event }); err != nil {
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
