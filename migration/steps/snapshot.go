package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
)

// A snapshot is a migration into an image, and back: the same code saves the guest and loads it.
func snapshotVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "snapshot-save",
			Doc:     "Has the source save a snapshot of its guest in the image, whose guest then runs on, and keeps a sum of each page of memory that nobody writes.",
			Example: "snapshot-save", Step: do(SaveSnapshot),
		},
		{
			Name:    "snapshot-load",
			Doc:     "Has the source load the snapshot, whose guest runs on from there: each page that nobody writes is what it was.",
			Example: "snapshot-load", Step: do(LoadSnapshot),
		},
		{
			Name: "expect no-snapshot", Doc: "The source refuses to save a snapshot, as it has to while its guest is on its way.",
			Example: "expect no-snapshot", Step: do(ExpectNoSnapshot),
		},
	}
}

// snapshotName is what the snapshot is called in the image.
const snapshotName = "drover"

// saved are the sums of the source's memory when its snapshot was saved.
var saved migration.Slot[*ram.Sums]

// SaveSnapshot has the source save a snapshot of its guest, which it stops for that.
func SaveSnapshot() migration.Step {
	return migration.Step{Name: "snapshot-save", Wants: []string{"boot", "attach image"}, Do: func(ctx context.Context, p *migration.Pair) error {
		sums, err := sumsOf(ctx, p, p.Source, nil)
		if err != nil {
			return err
		}
		*saved.Of(p) = sums
		if err := snapshot(ctx, p.Source, "snapshot-save", snapshotName); err != nil {
			return err
		}
		return runsAfter(ctx, p, "snapshot-save")
	}}
}

// LoadSnapshot has the source load its snapshot. The guest is looked at before it is let run, which
// it has to be in any case.
func LoadSnapshot() migration.Step {
	return migration.Step{Name: "snapshot-load", Wants: []string{"snapshot-save"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if err := snapshot(ctx, p.Source, "snapshot-load", snapshotName); err != nil {
			return err
		}
		before := *saved.Of(p)
		now, err := sumsOf(ctx, p, p.Source, before)
		if err != nil {
			return err
		}
		if changed, first := before.Changed(now); changed > 0 {
			return fmt.Errorf("%d pages that nobody writes are not as they were when the snapshot was saved; the first: that at %#x", changed, first)
		}
		return runsAfter(ctx, p, "snapshot-load")
	}}
}

// runsAfter demands that the source's guest, which a command has stopped, is let run again; that
// it does is seen in the end.
func runsAfter(ctx context.Context, p *migration.Pair, command string) error {
	return p.Source.ExpectRunState(ctx, qapi.StateRunning, "ran before "+command)
}

// ExpectNoSnapshot demands that the source refuses to save a snapshot.
func ExpectNoSnapshot() migration.Step {
	return migration.Step{Name: "expect no-snapshot", Wants: []string{"boot", "attach image"}, Do: func(ctx context.Context, p *migration.Pair) error {
		err := snapshot(ctx, p.Source, "snapshot-save", snapshotName+"-late") // else it is refused for its name
		if _, ok := errors.AsType[*jobError](err); ok {
			return nil
		}
		if err == nil {
			err = errors.New("QEMU saved a snapshot, where an error was expected")
		}
		return err
	}}
}

// snapshot has a side save or load a snapshot, by a job.
func snapshot(ctx context.Context, s *migration.Side, command, name string) error {
	return runJob(ctx, s, command, map[string]any{"job-id": command, "tag": name, "vmstate": imageNode, "devices": []string{imageNode}})
}

// A jobError is what a job of QEMU's ended with.
type jobError struct{ command, why string }

func (e *jobError) Error() string { return e.command + " failed: " + e.why }

// runJob has a side carry out a command that begins a job, which its arguments name, and waits
// until that is done.
func runJob(ctx context.Context, s *migration.Side, command string, arguments map[string]any) error {
	since := s.QMP().Mark()
	if err := s.Execute(ctx, command, arguments); err != nil {
		return err
	}
	_, err := s.QMP().WaitFunc(ctx, since, func(e qmp.Event) bool {
		return e.Name == "JOB_STATUS_CHANGE" && strings.Contains(string(e.Data), `"concluded"`)
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to conclude: %w", command, err)
	}
	var jobs []struct{ ID, Error string }
	if err := s.QMP().Execute(ctx, "query-jobs", nil, &jobs); err != nil {
		return err
	}
	if err := s.Execute(ctx, "job-dismiss", map[string]any{"id": arguments["job-id"]}); err != nil {
		return err
	}
	for _, job := range jobs {
		if job.ID == arguments["job-id"] && job.Error != "" {
			return &jobError{command, job.Error}
		}
	}
	return nil
}
