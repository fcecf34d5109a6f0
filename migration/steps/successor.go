package steps

import (
	"context"
	"encoding/json"
	"errors"

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
	}
}

// inheritedRAM is the file that the guest's RAM is in before a source executes another QEMU.
var inheritedRAM migration.Slot[[]string]

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
		value, err := json.Marshal(command)
		if err != nil {
			return err
		}
		return set(ctx, p.Source, "cpr-exec-command", value)
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
			now, err := procfs.SharedMappings(p.Destination.PID(), p.RAMBytes())
			if err != nil {
				return err
			}
			return sameRAM(*inheritedRAM.Of(p), now)
		},
	}
}
