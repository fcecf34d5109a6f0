package migration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// The two sides of a pair.
const (
	SourceName      = "source"
	DestinationName = "destination"
)

// Mark is a place in the log of a side's events.
type Mark = qmp.Mark

// A Side is one of the two VMs of a migration.
type Side struct {
	*launcher.VM
	Facts *record.SideFacts

	role         string        // SourceName or DestinationName, which may change in a run
	since        Mark          // where the log of the present migration begins
	stoppedSince Mark          // and where the steps stopped the guest, before it
	passed       []os.FileInfo // files that it was given for the migration
	mayEnd       bool          // by itself, as the steps want it
	began        procfs.Resources
	cpu          cpuUse
	run          *run
}

// Name is the side that it is at present.
func (s *Side) Name() string { return s.role }

// Since is the place in the log of its events where the present migration begins.
func (s *Side) Since() Mark { return s.since }

// Began is what its process held when it had been started.
func (s *Side) Began() (threads, files []string) { return s.began.Threads, s.began.Files }

// Version is its QEMU's.
func (s *Side) Version() qmp.Version { return s.QMP().Greeting().Version }

// Execute has a command carried out whose reply carries nothing.
func (s *Side) Execute(ctx context.Context, command string, arguments any) error {
	return s.QMP().Execute(ctx, command, arguments, nil)
}

// PassFD passes a file to QEMU by a name (getfd), and closes ours. Passed watches when
// QEMU closes it.
func (s *Side) PassFD(ctx context.Context, name string, f *os.File) error {
	defer func() { _ = f.Close() }()
	if err := s.Passed(f); err != nil {
		return err
	}
	return qapi.GetFD(ctx, s.QMP(), name, f)
}

// Passed notes that QEMU has, or is going to be given, the file for the migration.
func (s *Side) Passed(f *os.File) error {
	info, err := f.Stat()
	if err == nil {
		s.passed = append(s.passed, info)
	}
	return err
}

// releaseTimeout is how long a QEMU may take from saying that a migration is
// completed to closing what it used for it.
const releaseTimeout = StepTimeout / 2

// AwaitFDsClosed waits until QEMU has closed every file that it was passed.
func (s *Side) AwaitFDsClosed(ctx context.Context) error {
	ctx, cancel := s.run.atMost(ctx, releaseTimeout)
	defer cancel()
	if len(s.passed) == 0 {
		return fmt.Errorf("the %s was passed no file", s.Name())
	}
	return Poll(ctx, "the "+s.Name()+" to close the migration's descriptor", func() (bool, error) {
		open, err := procfs.HasOpen(s.PID(), s.passed)
		return !open, err
	})
}

// awaitCleanup waits until nothing is left of the migration before. QEMU 7.2 may report
// that it has failed a moment earlier, and neither takes another then nor ever again.
func (s *Side) awaitCleanup(ctx context.Context) error {
	return Poll(ctx, "the migration before to be cleaned up on the "+s.Name(), func() (bool, error) {
		instances, err := qapi.QueryYank(ctx, s.QMP())
		if qmp.NoSuchCommand(err) {
			return true, nil // before 6.0
		}
		return err == nil && !slices.ContainsFunc(instances, func(i qapi.YankInstance) bool { return i.Type == "migration" }), err
	})
}

// MayEnd notes that the steps want QEMU to end by itself, or have ended it: that is no
// failure of the side's.
func (s *Side) MayEnd() { s.mayEnd = true }

// EndNow ends QEMU as a host does that loses power, with SIGKILL, and waits until it has.
func (s *Side) EndNow(ctx context.Context) error {
	s.MayEnd()
	if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) { // it may end by itself meanwhile
		return err
	}
	select {
	case <-s.Exited():
		return nil
	case <-ctx.Done():
		return waitingFor(ctx, "the end of a "+s.role+" that was killed")
	}
}

// Resources are what its process holds now, without what comes and goes or QEMU may keep.
func (s *Side) Resources() (procfs.Resources, error) {
	return procfs.ResourcesOf(s.PID(), comesAndGoes, keptOpen)
}

// comesAndGoes reports whether a thread is one of those that QEMU keeps in a pool for its
// disks, or the one that Linux gives to a process whose guest has run under KVM, or the one that
// capability dirty-limit has started, which QEMU keeps until cancel-vcpu-dirty-limit.
func comesAndGoes(thread string) bool {
	return thread == "dirtyrate-stat" || strings.HasPrefix(thread, "worker") || strings.HasPrefix(thread, "pool") || strings.HasPrefix(thread, "kvm-nx-lpage")
}

// keptOpen reports whether QEMU may keep such a file: the image of a guest's disk, since 8.0 the
// one that it has asked for userfaultfd once, and since 10.0 its copy of a picture of a virtio-gpu.
func keptOpen(path string) bool {
	return path == "/dev/userfaultfd" || strings.HasPrefix(path, "/memfd:virtio-gpu") || strings.HasSuffix(path, ".qcow2")
}

// lastLine is the last line of the side's error output.
func (s *Side) lastLine() string {
	lines := strings.Split(strings.TrimSpace(s.Stderr()), "\n")
	return lines[len(lines)-1]
}

// Events returns what the log of the side's events holds now, and how many it has dropped.
func (s *Side) Events(ctx context.Context) (events []record.EventFacts, lost uint64) {
	now, cancel := context.WithCancel(ctx)
	cancel() // what has come, without a wait for more
	for e, err := range s.QMP().Events(now, 0) {
		if dropped, ok := errors.AsType[*qmp.LostError](err); ok {
			lost += dropped.Lost
			continue
		}
		if err != nil {
			break
		}
		events = append(events, record.EventFacts{Time: e.Time, Name: e.Name, Data: e.Data})
	}
	return events, lost
}

// HasEvent reports whether an event of that name is in the log.
func (s *Side) HasEvent(ctx context.Context, name string) bool {
	events, _ := s.Events(ctx)
	return slices.ContainsFunc(events, func(e record.EventFacts) bool { return e.Name == name })
}

// Statuses are those of the side's MIGRATION events, in their order, with blanks between.
func (s *Side) Statuses(ctx context.Context) string {
	events, _ := s.Events(ctx)
	var all []string
	for _, e := range events {
		if status := StatusOf(qmp.Event{Name: e.Name, Data: e.Data}); status != "" {
			all = append(all, string(status))
		}
	}
	return strings.Join(all, " ")
}
