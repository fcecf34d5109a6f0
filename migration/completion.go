package migration

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

// SourceAtCompletion gathers what the source is when the migration is completed.
func (p *Pair) SourceAtCompletion(ctx context.Context) error {
	status, err := p.settled(ctx, p.Source)
	if err != nil {
		return err
	}
	stand := &record.StandFacts{Status: status.Status, Running: status.Running}
	if p.Facts.Stand = stand; p.Linux() != nil {
		return nil
	}
	stand.Before, err = p.Counter(ctx, p.Source)
	return err
}

// SourceAtEnd gathers what has become of the source since.
func (p *Pair) SourceAtEnd(ctx context.Context) error {
	stand := p.Facts.Stand
	if stand == nil {
		return nil
	}
	status, err := qapi.QueryStatus(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	if stand.StatusAtEnd, stand.RunningEnd = status.Status, status.Running; p.Linux() != nil {
		return nil
	}
	stand.After, err = p.Counter(ctx, p.Source)
	return err
}

// NoteMigration keeps what both sides report of the migration that has ended.
func (p *Pair) NoteMigration(ctx context.Context) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	facts := &record.MigrationFacts{TotalMS: info.TotalTime, DowntimeMS: info.Downtime, SetupMS: info.SetupTime, Source: info.Raw}
	if info.RAM != nil {
		facts.Passes, facts.Bytes = info.RAM.DirtySyncCount, info.RAM.Transferred
	}
	p.Facts.Migration = facts
	p.run.sampler.keep(time.Now(), info)
	p.noteCosts()
	if p.Destination == nil {
		return nil
	}
	other, err := qapi.QueryMigrate(ctx, p.Destination.QMP())
	facts.Destination = other.Raw
	return err
}

// MigrationInfo is what the source reported of the migration that has ended. It is an
// error where it reported nothing of RAM.
func (p *Pair) MigrationInfo() (info qapi.MigrationInfo, err error) {
	if p.Facts.Migration == nil {
		return info, errors.New("no migration has ended")
	}
	if err := json.Unmarshal(p.Facts.Migration.Source, &info); err != nil {
		return info, err
	}
	if info.RAM == nil {
		return info, errors.New("the source's query-migrate has no ram")
	}
	return info, nil
}
