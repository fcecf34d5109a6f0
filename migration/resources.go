package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// resources are what a QEMU's process holds.
type resources struct {
	threads, descriptors int
	resident             int64 // bytes of memory of its own
}

// resources counts them, from outside. Threads that QEMU keeps in a pool for its
// disks come and go, and do not count.
func (s *Side) resources() (r resources, err error) {
	folder := fmt.Sprintf("/proc/%d/", s.PID())
	tasks, err := os.ReadDir(folder + "task")
	if err != nil {
		return r, err
	}
	for _, task := range tasks {
		name, err := os.ReadFile(folder + "task/" + task.Name() + "/comm")
		if err == nil && !strings.HasPrefix(string(name), "worker") && !strings.HasPrefix(string(name), "pool") {
			r.threads++
		}
	}
	open, err := os.ReadDir(folder + "fd")
	if err != nil {
		return r, err
	}
	for _, descriptor := range open {
		if to, err := os.Readlink(folder + "fd/" + descriptor.Name()); err == nil && !keptOpen(to) {
			r.descriptors++
		}
	}
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return r, err
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	r.resident = kilobytes << 10
	return r, err
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

// moreResident is how much more memory a source may have after a second migration:
// what a C library keeps of what it was given back differs from time to time.
const moreResident = 16 << 20

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
			return now.threads <= before.threads && now.descriptors <= before.descriptors && now.resident <= before.resident+moreResident, err
		})
		if wait.Err() == nil && err != nil {
			return err
		}
		p.measure("threads of the source, beyond those after the migration before", float64(now.threads-before.threads), "threads", record.AtMost(0))
		p.measure("open files of the source, beyond those after the migration before", float64(now.descriptors-before.descriptors), "files", record.AtMost(0))
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
			return now.threads <= d.began.threads && now.descriptors <= d.began.descriptors, err
		})
		if wait.Err() == nil && err != nil {
			return err
		}
		p.measure("threads of the destination, beyond those that it began with", float64(now.threads-d.began.threads), "threads", record.AtMost(0))
		p.measure("open files of the destination, beyond those that it began with", float64(now.descriptors-d.began.descriptors), "files", record.AtMost(0))
		return nil
	}}
}
