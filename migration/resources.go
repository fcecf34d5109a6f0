package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// resources are what a QEMU's process holds.
type resources struct {
	threads, files []string // their names, sorted
	resident       int64    // bytes of memory of its own
}

// resources looks at them from outside.
func (s *Side) resources() (r resources, err error) {
	threads, err := s.threadNames()
	if err != nil {
		return r, err
	}
	r.threads = slices.DeleteFunc(threads, comesAndGoes)
	folder := fmt.Sprintf("/proc/%d/", s.PID())
	open, err := os.ReadDir(folder + "fd")
	if err != nil {
		return r, err
	}
	for _, descriptor := range open {
		if to, err := os.Readlink(folder + "fd/" + descriptor.Name()); err == nil && !keptOpen(to) {
			r.files = append(r.files, to)
		}
	}
	slices.Sort(r.threads)
	slices.Sort(r.files)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return r, err
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	r.resident = kilobytes << 10
	return r, err
}

// threadNames are those of QEMU's threads, as the kernel has them.
func (s *Side) threadNames() ([]string, error) {
	folder := fmt.Sprintf("/proc/%d/task/", s.PID())
	tasks, err := os.ReadDir(folder)
	var names []string
	for _, task := range tasks {
		if name, err := os.ReadFile(folder + task.Name() + "/comm"); err == nil {
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names, err
}

// comesAndGoes says whether a thread is one of those that QEMU keeps in a pool for its
// disks, or the one that Linux gives to a process whose guest has run under KVM.
func comesAndGoes(thread string) bool {
	return strings.HasPrefix(thread, "worker") || strings.HasPrefix(thread, "pool") || strings.HasPrefix(thread, "kvm-nx-lpage")
}

// keptOpen says whether QEMU may keep such a file: that of its guest's disk, and since 8.0
// the one that it has asked for userfaultfd once.
func keptOpen(path string) bool {
	return path == "/dev/userfaultfd" || filepath.Base(path) == image
}

// NoteResources keeps in mind what the source holds.
func NoteResources() Step {
	return Step{Name: "note the source's resources", Do: func(_ context.Context, p *Pair) (err error) {
		p.resources, err = p.Source.resources()
		return err
	}}
}

// moreResident is how much more memory a source may have after a second migration. What
// a C library keeps of what it was given back differs from time to time: up to 0.7 MiB
// were seen on four versions of QEMU.
const moreResident = 2 << 20

// SeeResources gathers what the source holds beyond what it held before, when it has
// had time to give it back.
func SeeResources() Step {
	return Step{Name: "see the source's resources", Do: func(ctx context.Context, p *Pair) error {
		before, now := p.resources, resources{}
		wait, cancel := p.run.atMost(ctx, releasePatience)
		defer cancel()
		err := poll(wait, "the source to give back what it used", func() (bool, error) {
			var err error
			now, err = p.Source.resources()
			return len(now.threads) <= len(before.threads) && len(now.files) <= len(before.files) && now.resident <= before.resident+moreResident, err
		})
		if wait.Err() == nil && err != nil {
			return err
		}
		p.measureMore("threads", "threads of the source, beyond those after the migration before", before.threads, now.threads)
		p.measureMore("files", "open files of the source, beyond those after the migration before", before.files, now.files)
		p.measure("memory of the source, beyond that after the migration before", float64(now.resident-before.resident), "bytes", record.AtMost(moreResident))
		return nil
	}}
}

// SeeDestinationReleased gathers what the destination holds beyond what it held when it had been
// started. Its guest's memory is its own to keep.
func SeeDestinationReleased() Step {
	return Step{Name: "see the destination's resources", Do: func(ctx context.Context, p *Pair) error {
		d, now := p.Destination, resources{}
		if d.ExitState() != nil {
			return nil // which is the clean end's to judge
		}
		wait, cancel := p.run.atMost(ctx, releasePatience)
		defer cancel()
		err := poll(wait, "the destination to give back what it used", func() (bool, error) {
			var err error
			now, err = d.resources()
			return len(now.threads) <= len(d.began.threads) && len(now.files) <= len(d.began.files), err
		})
		if wait.Err() == nil && err != nil {
			return err
		}
		p.measureMore("threads", "threads of the destination, beyond those that it began with", d.began.threads, now.threads)
		p.measureMore("files", "open files of the destination, beyond those that it began with", d.began.files, now.files)
		return nil
	}}
}

// measureMore gathers how many more there are than before, and which where there are.
func (p *Pair) measureMore(unit, what string, before, now []string) {
	more := len(now) - len(before)
	if more > 0 {
		what += " (" + strings.Join(added(before, now), ", ") + ")"
	}
	p.measure(what, float64(more), unit, record.AtMost(0))
}

// added are the names that stand more often in one list than in another, both sorted.
func added(before, now []string) (more []string) {
	before = slices.Clone(before)
	for _, name := range now {
		if i, was := slices.BinarySearch(before, name); was {
			before = slices.Delete(before, i, i+1)
		} else {
			more = append(more, name)
		}
	}
	return more
}
