package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
)

// In mode cpr-exec a source executes the destination in its own process.
func successorVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "set cpr-exec-command",
			Doc:     "Tells the source the command line of the destination that it is to execute in its place, and reads it back; for ram inherited.",
			Example: "set cpr-exec-command", Step: do(SetSuccessor),
		},
		{
			Name:    "await successor",
			Doc:     "Waits until the destination answers that the source has executed in its place, and demands that the guest's RAM there is the file that it was in.",
			Example: "await successor", Step: do(AwaitSuccessor),
		},
		{
			Name:    "await resumed",
			Doc:     "Waits until the guest runs on a destination that the source has executed in its place, and until that calls the migration completed.",
			Example: "await resumed", Step: do(AwaitResumed),
		},
	}
}

// inheritedRAM is the file that the guest's RAM is in before a source executes another QEMU.
var inheritedRAM migration.Slot[[]string]

const cprExecCommand = "cpr-exec-command"

// SetSuccessor tells the source the command line of the destination that it is to execute.
func SetSuccessor() migration.Step {
	return step("set cpr-exec-command", func(ctx context.Context, p *migration.Pair) (err error) {
		command := p.Source.SuccessorCommand()
		if command == nil {
			return errors.New("the source has nothing to execute in its place: say ram inherited")
		}
		if *inheritedRAM.Of(p), err = procfs.SharedMappings(p.Source.PID(), p.RAMBytes()); err != nil {
			return err
		}
		if err := p.Source.Execute(ctx, "migrate-set-parameters", map[string]any{cprExecCommand: command}); err != nil {
			return err
		}
		var is struct {
			Command []string `json:"cpr-exec-command"`
		}
		if err := p.Source.QMP().Execute(ctx, "query-migrate-parameters", nil, &is); err != nil {
			return err
		}
		if !slices.Equal(is.Command, command) {
			err = fmt.Errorf("cpr-exec-command was set to %q and reads back %q", strings.Join(command, " "), strings.Join(is.Command, " "))
		}
		return err
	})
}

// AwaitSuccessor waits until the destination answers that the source has executed in its place.
func AwaitSuccessor() migration.Step {
	return migration.Step{
		Name: "await successor", Wants: []string{"set cpr-exec-command", "await saved"},
		Do: func(ctx context.Context, p *migration.Pair) error {
			if err := p.Succeed(ctx); err != nil {
				return err
			}
			before := *inheritedRAM.Of(p)
			now, err := procfs.SharedMappings(p.Destination.PID(), p.RAMBytes())
			if err == nil && (len(before) != 1 || !slices.Equal(before, now)) {
				err = fmt.Errorf("the source's RAM was the files (device and inode) %v, and that of the destination is %v, where one and the same was expected", before, now)
			}
			return err
		},
	}
}

// AwaitResumed waits until the guest runs on a destination that loads it, and until that calls
// the migration completed.
func AwaitResumed() migration.Step {
	return migration.Step{
		Name: "await resumed", Wants: []string{"await successor", "load"}, Gives: []string{awaitSwitchover},
		Do: func(ctx context.Context, p *migration.Pair) error {
			return each(p, migration.DestinationName, func(s *migration.Side) error { return s.Completes(ctx, "RESUME") })
		},
	}
}
