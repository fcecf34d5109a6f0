package launcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/internal/flock"
	"github.com/drover-vm/drover/internal/owned"
)

// A queue is a caller that waits for slots. Slots are files, each locked by the
// process that has it; only the holder of the turnstile's lock takes slots,
// and keeps those that it got while it waits for the rest. Waiters are woken by the
// kernel when anybody closes one of the files, also by being killed.
//
// The files are opened once and tried again as they are: to open and close
// them at each try would wake everybody else each time.
type queue struct {
	changes   *os.File // inotify; nil where there is none to be had
	turnstile *os.File
	slots     []*os.File
	taken     []*os.File // of slots
	first     bool       // the turnstile is ours
	settled   bool       // tried once more after the last change
}

// retry is when to try again after a change: a file that its process leaves
// behind is reported as closed just before its lock goes.
const retry = 50 * time.Millisecond

// lookAgain is when to try without any change, for file systems that don't
// report what other machines do.
const lookAgain = 5 * time.Second

func (m machine) queue() (*queue, error) {
	if err := owned.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	q := &queue{changes: watchCloses(m.dir), settled: true}
	var err error
	if q.turnstile, err = flock.Open(filepath.Join(m.dir, "turnstile")); err != nil {
		q.leave()
		return nil, err
	}
	for i := range m.slots {
		f, err := flock.Open(filepath.Join(m.dir, fmt.Sprintf("slot-%d", i)))
		if err != nil {
			q.leave()
			return nil, err
		}
		q.slots = append(q.slots, f)
	}
	return q, nil
}

// watchCloses reports each file of a folder that is closed. Where a user has used
// up the kernel's watches there is none, and waiters look by the clock.
func watchCloses(dir string) *os.File {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CLOSE); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "inotify")
}

// lock reports whether the file is now ours; on a file system without locks it never is.
func lock(f *os.File) bool {
	locked, err := flock.Try(f)
	return err == nil && locked
}

// release unlocks before it closes: those that the second wakes look for
// the first.
func release(f *os.File) {
	_ = f.Truncate(0)
	flock.Unlock(f)
	_ = f.Close()
}

// collect takes the slots that are free, and says whether that is enough.
func (q *queue) collect(want int) bool {
	if !q.first {
		q.first = lock(q.turnstile)
	}
	if !q.first {
		return false
	}
	for i := 0; i < len(q.slots) && len(q.taken) < want; {
		f := q.slots[i]
		if !lock(f) {
			i++
			continue
		}
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		q.taken = append(q.taken, f)
		q.slots = append(q.slots[:i], q.slots[i+1:]...)
	}
	return len(q.taken) >= want
}

// holding reports whether this process has a slot.
func (q *queue) holding() bool {
	us := strconv.Itoa(os.Getpid()) + "\n"
	text := make([]byte, len(us))
	for _, f := range q.slots {
		if n, _ := f.ReadAt(text, 0); string(text[:n]) == us {
			return true
		}
	}
	return false
}

// take hands over what has been collected.
func (q *queue) take() []*os.File {
	taken := q.taken
	q.taken = nil
	return taken
}

// wait returns when there may be a slot, or the turnstile.
func (q *queue) wait(ctx context.Context) error {
	if q.changes == nil {
		timer := time.NewTimer(retry)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ended.By(ctx)
		}
	}
	timeout := lookAgain
	if !q.settled {
		timeout = retry
	}
	_ = q.changes.SetReadDeadline(time.Now().Add(timeout))
	stop := context.AfterFunc(ctx, func() { _ = q.changes.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := q.changes.Read(make([]byte, 4096))
	q.settled = err != nil
	if ctx.Err() != nil {
		return ended.By(ctx)
	}
	return nil
}

// leave gives back the turn, and what has not been taken.
func (q *queue) leave() {
	if q.changes != nil {
		_ = q.changes.Close()
	}
	for _, f := range q.taken {
		release(f)
	}
	if q.first {
		release(q.turnstile)
	} else if q.turnstile != nil {
		_ = q.turnstile.Close()
	}
	for _, f := range q.slots {
		_ = f.Close()
	}
}
