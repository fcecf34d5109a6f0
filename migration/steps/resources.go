package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func resourceVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "note resources",
			Doc:     "Keeps what the source's process holds: threads, open files, memory of its own.",
			Example: "note resources", Step: do(NoteResources),
		},
		{
			Name: "expect resources", Args: "[within SIZE]",
			Doc:     "The source's process holds no more threads and open files than were noted, and at most 2 MiB, or so much, more memory, once it has had time to release what it used.",
			Example: "expect resources within 5MiB",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("within") {
					return ExpectResourcesWithin(a.Size("how much more memory"))
				}
				return ExpectResources()
			},
		},
		{
			Name:    "expect prompt-start",
			Doc:     "The last migration became active within a second.",
			Example: "expect prompt-start", Step: do(ExpectPromptStart),
		},
	}
}

// notedResources are what the source held when that was noted; nil where it was not.
var notedResources migration.Slot[*procfs.Resources]

// NoteResources keeps what the source holds.
func NoteResources() migration.Step {
	return step("note resources", func(_ context.Context, p *migration.Pair) error {
		now, err := p.Source.Resources()
		*notedResources.Of(p) = &now
		return err
	})
}

// moreResident is how much more memory a source may have after a second migration, in
// bytes. What a C library keeps of what it was given back differs from time to time: up to
// 0.7 MiB were seen on four versions of QEMU.
const moreResident = 2 << 20

// ExpectResources gathers what the source holds beyond what was noted, when it has had
// time to release it.
func ExpectResources() migration.Step {
	s := ExpectResourcesWithin(moreResident)
	s.Name = "expect resources"
	return s
}

// ExpectResourcesWithin gathers what the source holds beyond what was noted, of memory at most so
// many bytes.
func ExpectResourcesWithin(more int64) migration.Step {
	return migration.Step{Name: fmt.Sprintf("expect resources within %d", more), Wants: []string{"note resources"}, Do: func(ctx context.Context, p *migration.Pair) error {
		before, now := *notedResources.Of(p), procfs.Resources{}
		if before == nil {
			return errors.New("the source's resources were not noted before")
		}
		err := p.PollAtMost(ctx, releaseTimeout, "the source to release what it used", func() (bool, error) {
			var err error
			now, err = p.Source.Resources()
			return len(now.Threads) <= len(before.Threads) && len(now.Files) <= len(before.Files) && now.Resident <= before.Resident+more, err
		})
		if err != nil {
			return err
		}
		p.MeasureMore("threads", "threads of the source, beyond those that were noted", before.Threads, now.Threads)
		p.MeasureMore("files", "open files of the source, beyond those that were noted", before.Files, now.Files)
		p.Measure("memory of the source, beyond what was noted", float64(now.Resident-before.Resident), "bytes", record.AtMost(float64(more)))
		return nil
	}}
}
