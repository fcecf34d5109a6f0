package steps

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
)

// A QEMU may run out of descriptors, as on a host where it has many disks and connections.
func limitFilesVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "limit files", Args: "NUMBER",
			Doc:     "Lets the source open only so many more files and sockets (RLIMIT_NOFILE), until the limit is lifted.",
			Example: "limit files 2",
			Step:    func(a *migration.Args) migration.Step { return LimitFiles(a.Int("how many")) },
		},
		{
			Name: "unlimit files", Doc: "Lets the source open as many files as before.", Example: "unlimit files", Step: do(UnlimitFiles),
		},
	}
}

// fileLimit is what the source could open before it was limited.
var fileLimit migration.Slot[*unix.Rlimit]

// LimitFiles lets the source open only so many more files.
func LimitFiles(more int) migration.Step {
	return migration.Step{Name: fmt.Sprintf("limit files %d", more), Gives: []string{"limit files"}, Do: func(_ context.Context, p *migration.Pair) error {
		most, err := procfs.DescriptorLimit(p.Source.PID(), more)
		if err != nil {
			return err
		}
		before := new(unix.Rlimit)
		if err := unix.Prlimit(p.Source.PID(), unix.RLIMIT_NOFILE, nil, before); err != nil {
			return fmt.Errorf("prlimit: %w", err)
		}
		*fileLimit.Of(p) = before
		return unix.Prlimit(p.Source.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: before.Max}, nil)
	}}
}

// UnlimitFiles lifts the limit.
func UnlimitFiles() migration.Step {
	return migration.Step{Name: "unlimit files", Wants: []string{"limit files"}, Do: func(_ context.Context, p *migration.Pair) error {
		before := *fileLimit.Of(p)
		if before == nil {
			return nil
		}
		return unix.Prlimit(p.Source.PID(), unix.RLIMIT_NOFILE, before, nil)
	}}
}
