package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func mappedFileVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect writers", Args: "THREADS fds FDS direct FDS written BOUNDS",
			Doc:     "While the source has paused before switchover: how many threads write pages into {dir}/stream (multifd's, or else the migration thread), how many descriptors of the file it has, how many of those have O_DIRECT, and how many times the size of the workload has been written.",
			Example: "expect writers 4 fds 5 direct 0 written 0.9..1.2",
			Step: func(a *migration.Args) migration.Step {
				use := fileUse(a)
				if !a.Option("written") {
					a.Fail("written is missing")
				}
				return ExpectWriters(use, a.Bounds())
			},
		},
		{
			Name: "expect file-ram", Doc: "The file, of the capability mapped-ram, has a fixed place for each page and no more, and its pages are those of the paused source's RAM; most that are zero are left out.",
			Example: "expect file-ram", Step: do(ExpectFileRAM),
		},
	}
}

// A FileUse says how a QEMU uses the file of a migration, as the host sees it.
type FileUse struct {
	Threads int // that write or read pages
	FDs     int // descriptors of the file, those in fd sets too
	Direct  int // of them with O_DIRECT
}

// String is as a verb takes it.
func (u FileUse) String() string {
	return fmt.Sprintf("%d fds %d direct %d", u.Threads, u.FDs, u.Direct)
}

// fileUse takes THREADS fds FDS direct FDS.
func fileUse(a *migration.Args) (u FileUse) {
	u.Threads = a.Int("the number of threads")
	for _, next := range []struct {
		name  string
		count *int
	}{{"fds", &u.FDs}, {"direct", &u.Direct}} {
		if !a.Option(next.name) {
			a.Fail("%s is missing", next.name)
		}
		*next.count = a.Int("the number of descriptors")
	}
	return u
}

// What the names of the threads begin with that move pages, by version; QEMU cuts them
// to 15 bytes (migration/migration.c, multifd.c).
func mainWriters() []string    { return []string{"mig/src/main", "live_migration"} }
func channelWriters() []string { return []string{"mig/src/send", "multifdsend"} }
func channelReaders() []string { return []string{"mig/dst/recv", "multifdrecv"} }

// writers are those of a source: multifd's threads where it has such, else the migration
// thread.
func writers(s *migration.Side) ([]string, error) {
	threads, err := procfs.ThreadNames(s.PID())
	multifd := slices.ContainsFunc(threads, func(thread string) bool {
		return slices.ContainsFunc(channelWriters(), func(prefix string) bool { return strings.HasPrefix(thread, prefix) })
	})
	if multifd {
		return channelWriters(), err
	}
	return mainWriters(), err
}

// leastWritten is what each thread that writes pages has written at least.
const leastWritten = 256 << 10

// ExpectWriters gathers, while the source has paused before switchover, how it uses the
// file and what its threads have written to it, as a multiple of the workload's size.
func ExpectWriters(use FileUse, written record.Bounds) migration.Step {
	return onMigration(fmt.Sprintf("expect writers %s written %s", use, written), func(_ context.Context, p *migration.Pair) error {
		names, err := writers(p.Source)
		if err != nil {
			return err
		}
		file, err := os.Stat(p.Path(streamFile))
		if err != nil {
			return err
		}
		seen, err := procfs.UseOf(p.Source.PID(), file, names, procfs.Written)
		if err != nil {
			return err
		}
		measureUse(p, p.Source, use, seen)
		least, sum := leastAndSum(seen)
		p.Measure("written by the threads that write pages", sum/float64(p.Program.Workload().Len()), "times the workload", written)
		// A thread may get no CPU while the others write all.
		p.Measure("written by the least busy of them", least, "bytes", record.AtLeast(leastWritten).IfOnTime())
		return nil
	})
}

func measureUse(p *migration.Pair, s *migration.Side, use FileUse, seen procfs.Use) {
	exactly := func(what string, value, want int, unit string) {
		p.Measure(what+" on the "+s.Name(), float64(value), unit, record.Exactly(float64(want)))
	}
	exactly("threads that move pages", len(seen.Moved), use.Threads, "threads")
	exactly("descriptors of the file", seen.Descriptors, use.FDs, "descriptors")
	exactly("descriptors with O_DIRECT", seen.Direct, use.Direct, "descriptors")
}

// leastAndSum are of what the threads have moved, 0 where there are none.
func leastAndSum(seen procfs.Use) (least, sum float64) {
	all := slices.Collect(maps.Values(seen.Moved))
	if len(all) == 0 {
		return 0, 0
	}
	for _, n := range all {
		sum += float64(n)
	}
	return float64(slices.Min(all)), sum
}

// LoadWithReaders makes the destination read what was saved over multifd's channels, and
// gathers how it uses the file. It is stopped for that at reads of it, until all of its
// channels were seen to have read.
func LoadWithReaders(use FileUse) migration.Step {
	return loadStep("load readers "+use.String(), func(ctx context.Context, p *migration.Pair) error {
		uri, err := loadURI(ctx, p)
		if err != nil {
			return err
		}
		file, err := os.Stat(p.Path(streamFile))
		if err != nil {
			return err
		}
		pid := p.Destination.PID()
		release, err := procfs.StopAtReads(pid, p.Path(""))
		if err != nil {
			return err
		}
		defer release()
		loaded := make(chan error, 1)
		go func() { loaded <- load(ctx, p, uri) }()
		most, over := procfs.Use{Moved: map[string]uint64{}}, false
		err = migration.Poll(ctx, "the destination to read the file", func() (bool, error) {
			select {
			case err := <-loaded:
				over = true
				return true, err
			default:
			}
			if !procfs.IsStopped(pid) {
				return false, nil // also where it has ended, which the load reports
			}
			seen, err := procfs.UseOf(pid, file, channelReaders(), procfs.Read)
			addUse(&most, seen)
			procfs.Continue(pid)
			return len(most.Moved) >= use.Threads, err
		})
		release()
		if !over {
			err = errors.Join(err, <-loaded)
		}
		if err == nil {
			measureUse(p, p.Destination, use, most)
		}
		return err
	})
}

// load reads from a URI, and waits until all has been read.
func load(ctx context.Context, p *migration.Pair, uri string) error {
	if err := p.ListenOn(ctx, qapi.IncomingArguments{URI: uri}); err != nil {
		return err
	}
	_, err := p.Destination.AwaitStatus(ctx, qapi.MigrationCompleted)
	return err
}

// addUse makes of it the most that was seen at a time.
func addUse(most *procfs.Use, seen procfs.Use) {
	most.Descriptors, most.Direct = max(most.Descriptors, seen.Descriptors), max(most.Direct, seen.Direct)
	maps.Copy(most.Moved, seen.Moved)
}
