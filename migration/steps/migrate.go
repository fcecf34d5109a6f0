package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func migrateVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "migrate", Args: "[URI|CHANNELS]",
			Doc:     "Begins to send the guest to where the destination listens, which listen has to have said, or to any URI or JSON list of channels that QEMU takes; {dir} in it is the run's folder.",
			Example: "migrate file:{dir}/saved",
			Step: func(a *migration.Args) migration.Step {
				if !a.More() {
					return Migrate()
				}
				to := a.Word("where")
				if strings.HasPrefix(to, "[") && !json.Valid([]byte(to)) {
					a.Fail("%s is not valid JSON", to)
				} else if !strings.Contains(to, ":") {
					a.Fail("%q is nowhere to migrate to: it is a URI, such as tcp:127.0.0.1:0, or a JSON list of channels", to)
				}
				return MigrateTo(to)
			},
		},
		{
			Name: "migrate-start-postcopy", Doc: "Tells the source to let the guest run on the destination now, and to send the rest of its RAM afterwards.",
			Example: "migrate-start-postcopy", Step: do(StartPostcopy),
		},
		{
			Name: "migrate-continue", Doc: "Lets a source switch over that has paused before it (status pre-switchover).",
			Example: "migrate-continue", Step: do(Continue),
		},
		{
			Name: "migrate_cancel", Doc: "Cancels the migration, if there is one.",
			Example: "migrate_cancel", Step: do(Cancel),
		},
		{
			Name: "qmp", Args: "COMMAND [ARGUMENTS]", Sides: migration.OnSource,
			Doc:     "Has a QMP command carried out, with a JSON object of arguments; {dir} in it is the run's folder, and an error fails the step.",
			Example: `qmp migrate-set-parameters {"announce-rounds": 3}`,
			Step: func(a *migration.Args) migration.Step {
				command, arguments, on := a.Word("the command"), a.JSON(), a.Side()
				return step("qmp "+command, func(ctx context.Context, p *migration.Pair) error {
					return each(p, on, func(s *migration.Side) error { return execute(ctx, p, s, command, arguments) })
				})
			},
		},
		{
			Name: "expect refusal", Args: "COMMAND [ARGUMENTS]", Sides: migration.OnSource,
			Doc:     "A QMP command, with a JSON object of arguments, is answered with an error, and has changed no migration parameter or capability.",
			Example: `expect refusal migrate {"uri": "file:{dir}/stream,offset=0x20M"}`,
			Step: func(a *migration.Args) migration.Step {
				command, arguments, on := a.Word("the command"), a.JSON(), a.Side()
				return step("expect refusal "+command, func(ctx context.Context, p *migration.Pair) error {
					return each(p, on, func(s *migration.Side) error {
						return refusedWhole(ctx, p, s, command, arguments)
					})
				})
			},
		},
		{
			Name: "expect no-migration", Doc: "The source has no migration, after one was refused or where there was none.",
			Example: "expect no-migration", Step: do(ExpectNoMigration),
		},
	}
}

func execute(ctx context.Context, p *migration.Pair, s *migration.Side, command string, arguments json.RawMessage) error {
	if arguments == nil {
		return s.Execute(ctx, command, nil)
	}
	return s.Execute(ctx, command, json.RawMessage(expand(p, string(arguments))))
}

// refusedWhole demands that a command is refused, and that nothing of it was done: what it sets
// beside what is wrong reads as it did.
func refusedWhole(ctx context.Context, p *migration.Pair, s *migration.Side, command string, arguments json.RawMessage) error {
	before, err := settingsOf(ctx, s)
	if err != nil {
		return err
	}
	if err := refused(execute(ctx, p, s, command, arguments), command+" "+string(arguments)); err != nil {
		return err
	}
	now, err := settingsOf(ctx, s)
	for name, value := range now {
		if err == nil && before[name] != value {
			err = fmt.Errorf("the %s refused %s %s, and its %s went from %s to %s all the same", s.Name(), command, arguments, name, before[name], value)
		}
	}
	return err
}

// settingsOf are a side's migration parameters and capabilities, as text.
func settingsOf(ctx context.Context, s *migration.Side) (map[string]string, error) {
	parameters, err := qapi.QueryMigrateParameters(ctx, s.QMP())
	if err != nil {
		return nil, err
	}
	capabilities, err := qapi.QueryMigrateCapabilities(ctx, s.QMP())
	all := map[string]string{}
	for name, value := range parameters {
		all[name] = string(value)
	}
	for name, on := range capabilities {
		all["capability "+name] = fmt.Sprint(on)
	}
	return all, err
}

// Migrate begins to send the guest to where the destination listens.
func Migrate() migration.Step {
	return migration.Step{Name: "migrate", Phase: record.PhasePasses, Wants: []string{"listen"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return migrate(ctx, p, p.URI)
	}}
}

// MigrateTo begins to send the guest to the URI, or to the JSON list of channels, in
// which {dir} is the run's folder.
func MigrateTo(to string) migration.Step {
	return migration.Step{Name: "migrate " + to, Phase: record.PhasePasses, Gives: []string{"migrate"}, Do: func(ctx context.Context, p *migration.Pair) error {
		to := expand(p, to)
		if strings.HasPrefix(to, "[") {
			return p.MigrateTo(ctx, map[string]any{"channels": json.RawMessage(to)})
		}
		if strings.HasPrefix(to, "file:") {
			p.URI = to // which the destination is to load
		}
		return migrate(ctx, p, to)
	}}
}

func migrate(ctx context.Context, p *migration.Pair, uri string) error {
	if list := *channels.Of(p); list != nil && uri == p.URI {
		return p.MigrateTo(ctx, map[string]any{"channels": list})
	}
	to := qapi.MigrateArguments{URI: uri}
	if toListen.Of(p).channel {
		channel, err := channelOf(uri)
		if err != nil {
			return err
		}
		to = qapi.MigrateArguments{Channels: []qapi.MigrationChannel{channel}}
	}
	return p.MigrateTo(ctx, to)
}

// StartPostcopy makes the source let the guest run on the destination now,
// and to send the rest of its RAM afterwards.
func StartPostcopy() migration.Step {
	return migration.Step{
		Name: "migrate-start-postcopy", Phase: record.PhaseSwitchover, Wants: []string{"enable postcopy-ram", "migrate"},
		Do: func(ctx context.Context, p *migration.Pair) error {
			return qapi.MigrateStartPostcopy(ctx, p.Source.QMP())
		},
	}
}

// Continue lets a source switch over that has paused before it.
func Continue() migration.Step {
	return migration.Step{
		Name: "migrate-continue", Wants: []string{"enable pause-before-switchover", "migrate"},
		Do: func(ctx context.Context, p *migration.Pair) error {
			return qapi.MigrateContinue(ctx, p.Source.QMP(), qapi.MigrationPreSwitchover)
		},
	}
}

// cancelledAt is when the migration was cancelled last.
var cancelledAt migration.Slot[time.Time]

// Cancel cancels the migration, if there is one.
func Cancel() migration.Step {
	return step("migrate_cancel", func(ctx context.Context, p *migration.Pair) error {
		*cancelledAt.Of(p) = time.Now()
		return qapi.MigrateCancel(ctx, p.Source.QMP())
	})
}

// ExpectNoMigration demands that the source has no migration after one was refused.
func ExpectNoMigration() migration.Step {
	return step("expect no-migration", func(ctx context.Context, p *migration.Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err == nil && info.Status != "" && info.Status != qapi.MigrationNone {
			err = fmt.Errorf("the source's migration status is %s, expected none", info.Status)
		}
		return err
	})
}

// errNoMigration says that a step is about a migration that never was.
var errNoMigration = errors.New("no migration has ended: await the switchover first")
