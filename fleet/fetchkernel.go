package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/owned"
)

// FetchKernel makes a private copy of a Linux kernel for guests of a target, and of its
// modules, from Debian's package for that architecture: of the first of a few releases whose
// mirror has it. Passed are the errors of those that were tried before, for a list may name a
// file that the mirror no longer has. A copy that is there and whole is left as it is.
//
// Of what the package needs to be installed nothing is fetched. It is 27 to 113 MB of download. Name
// is [KernelsName], or [FullKernelsName] for the other kernel of a target that has two.
// Of processes that fetch at once, each waits for the one before it.
//
// An error is a [*FetchError], a [*TooLittleRoomError], an [*UnsafeFolderError], an
// [*UnknownArchError], or says that the fleet knows no kernel for the target.
func (f Fleet) FetchKernel(ctx context.Context, name, arch string) (k Kernel, passed []error, err error) {
	target, err := kernelTarget(name, arch)
	if err != nil {
		return Kernel{}, nil, err
	}
	if k, err := f.kernel(target); err == nil {
		return k, nil, nil
	}
	g, err := f.startFetching(Release{Suite: name})
	if err != nil {
		return Kernel{}, nil, err
	}
	held, err := lock(ctx, filepath.Dir(g.folder), name, func() { g.tell(Progress{Step: "wait"}) })
	if err != nil {
		return Kernel{}, nil, g.explain(ctx, err)
	}
	defer held.Close()
	if err := owned.MkdirAll(g.folder, 0o755); err != nil {
		return Kernel{}, nil, unsafeFolder(g.folder, err)
	}
	if k, err := f.kernel(target); err == nil {
		return k, nil, nil // another one has fetched it meanwhile
	}
	for _, p := range target.packages {
		if g.release, err = f.Release(p.suite); err != nil {
			return Kernel{}, passed, err
		}
		if err = g.kernel(ctx, target, p); err == nil {
			g.tell(Progress{Step: "done", Percent: 100})
			k, err = f.kernel(target)
			return k, passed, err
		}
		err = g.explain(ctx, err)
		if _, isFetch := errors.AsType[*FetchError](err); !isFetch || ctx.Err() != nil {
			break
		}
		passed = append(passed, err)
	}
	return Kernel{}, passed, err
}

// kernel fetches a kernel's package of a suite, under the lock.
func (g *fetching) kernel(ctx context.Context, target kernelsOf, p kernelPackage) error {
	downloads := filepath.Join(g.folder, ".download-"+target.debian+"-"+p.suite)
	if err := owned.MkdirAll(downloads, 0o755); err != nil {
		return unsafeFolder(downloads, err)
	}
	a, err := g.fleet.newAptFor(ctx, g.release, downloads, target.debian)
	if err != nil {
		return err
	}
	g.tell(Progress{Step: "lists"})
	if err := a.update(ctx, func(percent float64) { g.tell(Progress{Step: "lists", Percent: percent}) }); err != nil {
		return err
	}
	debs, err := a.closure(ctx, p.name)
	if err != nil {
		return err
	}
	image, err := kernelDeb(a, debs, p.name)
	if err != nil {
		return err
	}
	progress := Progress{Package: strings.Split(image.file, "_")[0], Packages: 1, Bytes: image.size}
	if err := g.room(image.size, a.downloaded([]deb{image})); err != nil {
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
		if err := a.downloadOnly(ctx, progress.Package, step("download")); err != nil {
			return err
		}
		bad, err := a.damaged(ctx, []deb{image})
		if err == nil && len(bad) == 0 {
			step("unpack")(0)
			err = g.installKernel(ctx, a, target, image)
		}
		if damaged, ok := errors.AsType[*damagedError](err); ok {
			bad, err = []string{damaged.file}, damaged
		}
		if len(bad) == 0 {
			if err != nil {
				return err
			}
			return os.RemoveAll(downloads)
		}
		if err := os.Remove(filepath.Join(a.archives(), image.file)); err != nil {
			return err
		}
		if again {
			return twiceDamaged(a.suite, bad, err)
		}
	}
}

// kernelDeb is the package with the kernel among those that the one named brings with it: it
// has itself no more than that it needs it.
func kernelDeb(a apt, debs []deb, name string) (image deb, err error) {
	for _, d := range debs {
		if strings.HasPrefix(d.file, "linux-image-") && d.size > image.size {
			image = d
		}
	}
	if image.file == "" {
		return image, &FetchError{Release: a.suite, Step: "packages", Reason: "the package " + name + " brings no linux-image-* with it"}
	}
	return image, nil
}

// downloadOnly fetches a package into the archives, and nothing that it needs.
func (a apt) downloadOnly(ctx context.Context, name string, tell func(percent float64)) error {
	return a.do(ctx, "download", command{
		args: []string{"download", "-o", "APT::Status-Fd=3", name}, dir: a.archives(),
		status: func(line string) {
			if percent, ok := parseStatus(line); ok {
				tell(percent)
			}
		},
	})
}

// installKernel makes a copy out of the package: beside its place first.
func (g *fetching) installKernel(ctx context.Context, a apt, target kernelsOf, image deb) error {
	place, staging := filepath.Join(g.folder, target.arch), filepath.Join(g.folder, "."+target.arch+".new")
	for _, old := range []string{staging, place} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(staging)
	root, err := os.OpenRoot(staging)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := g.fleet.unpack(ctx, filepath.Join(a.archives(), image.file), root); err != nil {
		return err
	}
	s := stamp{
		Format: stampFormat, Suite: g.release.Suite, Package: target.arch, Fetched: time.Now().UTC().Truncate(time.Second),
		Packages: []string{image.file},
	}
	if s.Sizes, err = sizesBelow(staging); err != nil {
		return err
	}
	if _, err := target.kernelIn(staging, s.Suite); err != nil {
		return &FetchError{Release: g.release.Suite, Step: "check", Reason: fmt.Sprintf("%s: %v", image.file, err), Err: err}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(staging, stampName), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(staging, place)
}
