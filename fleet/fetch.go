package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/owned"
)

// Fetch makes private copies of the QEMUs of a release for some
// architectures; none is x86_64 and i386. What is there already is left as it
// is. It returns the binaries, one for each architecture.
//
// One process fetches a release at a time, others wait for it and find the
// work done. When it is interrupted, by its context or by a crash, nothing
// half done is ever taken for a copy, and what was downloaded is kept for the
// next time. It takes 50 MB of download and 130 MB of disk for x86, and each
// further package a fifth of that to download.
//
// A copy that is there and damaged, or that another user can change, is made anew. A
// package whose content isn't what the mirror's list says is fetched again, once.
//
// An error is a *FetchError, a *TooLittleRoomError, an *UnsafeFolderError or an
// *UnknownArchError.
func (f Fleet) Fetch(ctx context.Context, r Release, arches ...string) ([]Binary, error) {
	if len(arches) == 0 {
		arches = []string{"x86_64", "i386"}
	}
	arches = slices.Clone(arches)
	for i, arch := range arches {
		var err error
		if arches[i], err = ParseArch(arch); err != nil {
			return nil, err
		}
	}
	have := func() []Binary {
		var found []Binary
		there := f.lookAt(r.Suite, arches...)
		for _, arch := range arches {
			if binary, ok := there.binaries[arch]; ok {
				found = append(found, binary)
			}
		}
		return found
	}
	if found := have(); len(found) == len(arches) {
		return found, nil
	}
	fetching, err := f.startFetching(r)
	if err != nil {
		return nil, err
	}
	if err := fetching.all(ctx, arches); err != nil {
		return nil, fetching.explain(ctx, err)
	}
	found := have()
	if len(found) != len(arches) {
		if problems := f.lookAt(r.Suite, arches...).problems; len(problems) > 0 {
			return nil, problems[0]
		}
		return nil, &FetchError{
			Release: r.Suite, Step: "check",
			Reason: "the packages have no binary for one of " + strings.Join(arches, ", "),
		}
	}
	fetching.tell(Progress{Step: "done", Percent: 100})
	return found, nil
}

// A fetching is the work of one Fetch.
type fetching struct {
	fleet   Fleet
	release Release
	folder  string // of the suite
	started time.Time
	telling sync.Mutex
}

func (f Fleet) startFetching(r Release) (*fetching, error) {
	folder, err := f.Folder()
	if err != nil {
		return nil, err
	}
	return &fetching{fleet: f, release: r, folder: filepath.Join(folder, r.Suite), started: time.Now()}, nil
}

// tell reports progress.
func (g *fetching) tell(p Progress) {
	if g.fleet.Progress == nil {
		return
	}
	g.telling.Lock()
	defer g.telling.Unlock()
	p.Release, p.Since = g.release.Suite, time.Since(g.started)
	g.fleet.Progress(p)
}

// all fetches what is missing for the architectures, under the suite's lock.
func (g *fetching) all(ctx context.Context, arches []string) error {
	held, err := lock(ctx, filepath.Dir(g.folder), g.release.Suite, func() { g.tell(Progress{Step: "wait"}) })
	if err != nil {
		return err
	}
	defer held.Close()

	downloads := filepath.Join(g.folder, ".download")
	if err := owned.MkdirAll(g.folder, 0o755); err != nil {
		return unsafeFolder(g.folder, err)
	}
	missing := slices.DeleteFunc(slices.Clone(arches), func(arch string) bool {
		_, ok := g.fleet.Fetched(g.release.Suite, arch)
		return ok || g.repair(arch)
	})
	if len(missing) == 0 {
		return nil
	}
	if err := owned.MkdirAll(downloads, 0o755); err != nil {
		return unsafeFolder(downloads, err)
	}
	g.tell(Progress{Step: "lists"})
	a, err := g.fleet.newApt(ctx, g.release, downloads)
	if err != nil {
		return err
	}
	updateErr := a.update(ctx, func(percent float64) { g.tell(Progress{Step: "lists", Percent: percent}) })
	if updateErr != nil && (!g.release.system() || ctx.Err() != nil) {
		return updateErr
	}
	// One of the system's own sources may be broken, and not be needed.
	for _, arch := range missing {
		if _, ok := g.fleet.Fetched(g.release.Suite, arch); ok {
			continue // came with the one before
		}
		if err := g.one(ctx, a, arch); err != nil {
			if fetch, ok := errors.AsType[*FetchError](err); ok && fetch.Step == "packages" && updateErr != nil {
				return g.listsMissing(updateErr, fetch) // that is why
			}
			return err
		}
	}
	return os.RemoveAll(downloads)
}

// listsMissing is the error where a package is not in the lists, of which some could not be had.
func (g *fetching) listsMissing(update error, missing *FetchError) error {
	lists, ok := errors.AsType[*FetchError](update)
	if !ok {
		return errors.Join(update, missing)
	}
	return &FetchError{
		Release: lists.Release, Step: lists.Step, Remedy: lists.Remedy, Err: errors.Join(update, missing),
		Reason: fmt.Sprintf("%s (%s)", lists.Reason, missing.Reason),
	}
}

// repair writes the script of a copy that is complete but for that.
func (g *fetching) repair(arch string) bool {
	for _, s := range readStamps(g.folder) {
		if slices.Contains(s.Arches, arch) && s.check(g.folder) == nil && g.writeScripts(s.Package) == nil {
			_, ok := g.fleet.Fetched(g.release.Suite, arch)
			return ok
		}
	}
	return false
}

// one fetches the package for an architecture.
func (g *fetching) one(ctx context.Context, a apt, arch string) error {
	t, _ := targetOf(arch)
	var name string
	var debs []deb
	var err error
	var before []string // what came of the names that were tried first
	for _, name = range t.debian {
		if debs, err = a.closure(ctx, name); err == nil || ctx.Err() != nil {
			break
		}
		before = append(before, err.Error())
	}
	if fetch, ok := errors.AsType[*FetchError](err); ok && len(before) > 1 {
		more := *fetch
		more.Reason += "; before that: " + strings.Join(before[:len(before)-1], "; ")
		return &more
	}
	if err != nil {
		return err
	}
	progress := Progress{Package: name, Packages: len(debs)}
	for _, d := range debs {
		progress.Bytes += d.size
	}
	if err := g.room(progress.Bytes, a.downloaded(debs)); err != nil {
		return err
	}
	step := func(step string) func(float64) {
		return func(percent float64) {
			p := progress
			p.Step, p.Percent = step, percent
			g.tell(p)
		}
	}
	for again := false; ; again = true {
		step("download")(0)
		if err := a.download(ctx, name, step("download")); err != nil {
			return err
		}
		bad, err := a.damaged(ctx, debs)
		if err == nil && len(bad) == 0 {
			err = g.install(ctx, a, name, debs, step)
		}
		if damaged, ok := errors.AsType[*damagedError](err); ok {
			bad, err = []string{damaged.file}, damaged
		}
		if len(bad) == 0 {
			return err
		}
		for _, file := range bad { // apt would take it for good by its size
			if err := os.Remove(filepath.Join(a.archives(), file)); err != nil {
				return err
			}
		}
		if again {
			return twiceDamaged(a.suite, bad, err)
		}
	}
}

// room asks the file system for the room that a download of so many bytes
// will take: itself, as far as it isn't there, and two and a half times that
// when unpacked.
func (g *fetching) room(bytes, downloaded int64) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(g.folder, &stat); err != nil {
		return nil // then the disk itself will say it
	}
	free := int64(stat.Bavail) * int64(stat.Bsize)
	if needed := bytes*7/2 - downloaded + 10<<20; free < needed {
		return &TooLittleRoomError{Folder: g.folder, Needed: needed, Free: free}
	}
	return nil
}

// explain makes a FetchError of any error.
func (g *fetching) explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*FetchError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*TooLittleRoomError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*UnsafeFolderError](err); ok {
		return err
	}
	reason, remedy := err.Error(), ""
	switch {
	case ctx.Err() != nil:
		reason, remedy = "interrupted: "+reason, "what was downloaded is kept for the next time"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		_, remedy = explainApt("No space left on device")
		reason = "the disk is full: " + reason
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EPERM):
		remedy = "set DROVER_CACHE to a folder that you may write"
	}
	return &FetchError{Release: g.release.Suite, Step: "unpack", Reason: reason, Remedy: remedy, Err: err}
}
