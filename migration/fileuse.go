package migration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A fileUse says how a QEMU uses the file that a migration goes into, as the host
// sees it.
type fileUse struct {
	writers     []string // what the names of the threads begin with that write pages
	readers     []string // and of those that read them; nil where QEMU's first thread does
	channels    int      // how many of each
	direct      int      // descriptors with O_DIRECT
	descriptors int      // in all
}

// QEMU names its threads, cut to 15 bytes (migration/migration.c, multifd.c).
var (
	oneWriter   = fileUse{writers: []string{"mig/src/main", "live_migration"}, channels: 1, descriptors: 1}
	fourWriters = fileUse{
		writers:  []string{"mig/src/send", "multifdsend"},
		readers:  []string{"mig/dst/recv", "multifdrecv"},
		channels: multifdChannels, descriptors: 1 + multifdChannels,
	}
	// The main channel, which is a stream, does not write past the cache.
	fourDirectWriters = fileUse{
		writers: fourWriters.writers, readers: fourWriters.readers, channels: multifdChannels,
		descriptors: 1 + multifdChannels, direct: multifdChannels,
	}
)

// lent is the same where QEMU has descriptors in a set beside those that it uses.
func (u fileUse) lent(descriptors int) fileUse {
	u.descriptors += descriptors
	if u.direct > 0 {
		u.direct++
	}
	return u
}

// CountedIO is the kernel's count of what each thread reads and writes.
var CountedIO = Need{Host: func() string {
	if _, err := os.ReadFile("/proc/thread-self/io"); err != nil {
		return fmt.Sprintf("the kernel does not count what a thread writes (CONFIG_TASK_IO_ACCOUNTING): %v", err)
	}
	return ""
}}

// A look is what was seen of a QEMU at one moment.
type look struct {
	descriptors, direct int               // of the file
	moved               map[string]uint64 // bytes written or read by each thread that did, by its number
}

// lookAt sees which descriptors of the file a side has, and what its threads have
// written or read.
func (p *Pair) lookAt(s *Side, threads []string, count string) (look, error) {
	found := look{moved: map[string]uint64{}}
	file, err := os.Stat(p.path(streamFile))
	if err != nil {
		return found, err
	}
	if found.descriptors, found.direct, err = s.descriptorsOf(file); err != nil {
		return found, err
	}
	folder := fmt.Sprintf("/proc/%d/task", s.PID())
	tasks, err := os.ReadDir(folder)
	if err != nil {
		return found, err
	}
	for _, task := range tasks {
		name, _ := os.ReadFile(filepath.Join(folder, task.Name(), "comm")) // a thread may end meanwhile
		for _, prefix := range threads {
			if !strings.HasPrefix(string(name), prefix) {
				continue
			}
			io, _ := os.ReadFile(filepath.Join(folder, task.Name(), "io"))
			if n := field(string(io), count, 10); n > 0 {
				found.moved[task.Name()] = n
			}
		}
	}
	return found, nil
}

// descriptorsOf counts those that a side has of a file, and those of them that go
// past the page cache.
func (s *Side) descriptorsOf(file os.FileInfo) (all, direct int, err error) {
	folder := fmt.Sprintf("/proc/%d", s.PID())
	open, err := os.ReadDir(folder + "/fd")
	for _, entry := range open {
		have, err := os.Stat(folder + "/fd/" + entry.Name())
		if err != nil || !os.SameFile(have, file) {
			continue
		}
		all++
		info, _ := os.ReadFile(folder + "/fdinfo/" + entry.Name())
		if field(string(info), "flags", 8)&unix.O_DIRECT != 0 {
			direct++
		}
	}
	return all, direct, err
}

// field is a number out of the lines of a file in /proc.
func field(text, name string, base int) uint64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), base, 64)
			return n
		}
	}
	return 0
}

// SeeWriters gathers, while the source waits, how it uses the file and what its
// threads have written to it.
func SeeWriters(use fileUse, written record.Bounds) Step {
	return Step{Name: "see who writes the file", Do: func(_ context.Context, p *Pair) error {
		seen, err := p.lookAt(p.Source, use.writers, "wchar")
		if err != nil {
			return err
		}
		p.measureUse(p.Source, use, seen)
		least, sum := seen.leastAndSum()
		p.measure("written by the threads that write pages", sum/float64(p.Program.Workload().Len()), "times the workload", written)
		p.measure("written by the least busy of them", least, "bytes", record.AtLeast(256<<10))
		return nil
	}}
}

func (p *Pair) measureUse(s *Side, use fileUse, seen look) {
	exactly := func(what string, value, want int, unit string) {
		p.measure(what+" on the "+s.Name(), float64(value), unit, record.Exactly(float64(want)))
	}
	exactly("threads that move pages", len(seen.moved), use.channels, "threads")
	exactly("descriptors of the file", seen.descriptors, use.descriptors, "descriptors")
	exactly("descriptors with O_DIRECT", seen.direct, use.direct, "descriptors")
}

func (l look) leastAndSum() (least, sum float64) {
	least = math.Inf(1)
	for _, n := range l.moved {
		least, sum = min(least, float64(n)), sum+float64(n)
	}
	return least, sum
}

// load is the step that makes the destination read the file.
func (u fileUse) load() Step {
	if u.readers == nil {
		return LoadFile()
	}
	return LoadFileSeeingReaders(u)
}

// LoadFileSeeingReaders makes the destination read what the source has written, and
// gathers how it uses the file. It is stopped for that at reads of it, until all of its
// channels were seen to have read.
func LoadFileSeeingReaders(use fileUse) Step {
	return Step{Name: "load the file and see who reads it", Do: func(ctx context.Context, p *Pair) error {
		release, err := p.Destination.stopAtReads(p.run.private.Path())
		if err != nil {
			return err
		}
		defer release()
		loaded := make(chan error, 1)
		go func() { loaded <- p.loadFile(ctx) }()
		most, over := look{moved: map[string]uint64{}}, false
		err = poll(ctx, "the destination to read the file", func() (bool, error) {
			select {
			case err := <-loaded:
				over = true
				return true, err
			default:
			}
			if !p.Destination.isStopped() {
				return false, nil // also where it has ended, which the load says
			}
			seen, err := p.lookAt(p.Destination, use.readers, "rchar")
			most.add(seen)
			p.Destination.goOn()
			return len(most.moved) >= use.channels, err
		})
		release()
		if !over {
			err = errors.Join(err, <-loaded)
		}
		if err == nil {
			p.measureUse(p.Destination, use, most)
		}
		return err
	}}
}

func (p *Pair) loadFile(ctx context.Context) error {
	if err := p.listen(ctx, p.uri); err != nil {
		return err
	}
	return p.Destination.AwaitStatus(ctx, qapi.MigrationCompleted)
}

// add makes of it the most that was seen at a time.
func (l *look) add(seen look) {
	l.descriptors, l.direct = max(l.descriptors, seen.descriptors), max(l.direct, seen.direct)
	maps.Copy(l.moved, seen.moved)
}

// SeeFileClosed waits until no QEMU has the file open.
func SeeFileClosed() Step {
	return Step{Name: "see the file closed", Do: func(ctx context.Context, p *Pair) error {
		file, err := os.Stat(p.path(streamFile))
		if err != nil {
			return err
		}
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error {
			s.lent = append(s.lent, file)
			return s.letsGo(ctx)
		})
	}}
}
