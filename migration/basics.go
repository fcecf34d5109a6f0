package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

func basics() []Scenario {
	return []Scenario{badDest, deprecated}
}

var badDest = Scenario{
	Name: "bad_dest",
	Doc:  "migrate to a port that nobody listens on: it fails at once, and the guest runs on",
	Ends: record.OnSource,
	Story: Steps{
		Boot(), Listen(TCP), MigrateTo("tcp:127.0.0.1:0"), AwaitFailure(), SeeReason("Connection refused"),
	},
}

var deprecated = Scenario{
	Name: "deprecated",
	Doc:  "migrate_set_downtime and migrate_set_speed set the parameters that replace them, or are gone",
	Ends: record.NoGuest,
	Story: Steps{
		setByOldCommand("migrate_set_downtime", "0.12345", DowntimeLimit, "123"),
		setByOldCommand("migrate_set_speed", "12345", MaxBandwidth, "12345"),
	},
}

// SeeReason demands that the source says why its migration failed, in words that name
// it.
func SeeReason(words string) Step {
	return Step{Name: "see the reason: " + words, Do: func(ctx context.Context, p *Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err == nil && !strings.Contains(info.ErrorDesc, words) {
			err = fmt.Errorf("the source says that its migration failed because of %q, expected %q", info.ErrorDesc, words)
		}
		return err
	}}
}

// setByOldCommand gives a value through a command that later QEMUs no longer
// have; there, the parameter itself must take the same value.
func setByOldCommand(command, value string, parameter Parameter, reads string) Step {
	return Step{Name: fmt.Sprintf("%s %s", command, value), Do: func(ctx context.Context, p *Pair) error {
		err := p.Source.tell(ctx, command, map[string]any{"value": json.Number(value)})
		if refused, ok := errors.AsType[*qmp.Error](err); ok && refused.Class == qmp.CommandNotFound {
			return Set(parameter, json.Number(reads)).Do(ctx, p)
		}
		if err != nil {
			return err
		}
		return parameterIs(ctx, p.Source, parameter, reads)
	}}
}
