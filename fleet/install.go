package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/owned"
)

// install makes a copy out of downloaded packages: beside its place first,
// there it is tried, and only then, stamped, moved into its place.
func (g *fetching) install(ctx context.Context, a apt, name string, debs []deb, step func(string) func(float64)) error {
	place := filepath.Join(g.folder, name)
	staging := filepath.Join(g.folder, "."+name+".new")
	for _, old := range []string{staging, place} { // place: of another format, or without a stamp
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

	var files []string
	tell := step("unpack")
	for i, d := range debs {
		tell(100 * float64(i) / float64(len(debs)))
		if err := g.fleet.unpack(ctx, filepath.Join(a.archives(), d.file), root); err != nil {
			return err
		}
		files = append(files, d.file)
	}
	step("check")(0)
	found, err := binaries(staging)
	if err != nil {
		return err
	}
	for arch, l := range found {
		if err := g.try(ctx, staging, arch, l); err != nil {
			return err
		}
	}
	sizes, err := sizesBelow(staging)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(stamp{
		Format: stampFormat, Suite: g.release.Suite, Package: name,
		Arches: slices.Sorted(maps.Keys(found)), Fetched: time.Now().UTC().Truncate(time.Second), Packages: files,
		Sizes: sizes,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(staging, stampName), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Rename(staging, place); err != nil {
		return err
	}
	return g.writeScripts(name)
}

// try runs a QEMU that was just unpacked.
func (g *fetching) try(ctx context.Context, root, arch string, l layout) error {
	script := filepath.Join(root, "."+binaryName(arch))
	if err := os.WriteFile(script, []byte(l.script(root)), 0o755); err != nil {
		return err
	}
	defer os.Remove(script)
	// Through the shell by name: a file that was just written can't be run
	// while another thread forks.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	output, err := command{path: "/bin/sh", args: []string{script, "-version"}}.run(ctx)
	if err != nil || !strings.Contains(output, "QEMU emulator version") {
		return &FetchError{
			Release: g.release.Suite, Step: "check", Err: err,
			Reason: fmt.Sprintf("%s was unpacked but does not run here: %s", binaryName(arch), aptLine(output)),
			Remedy: "is another one installed? Name it with DROVER_QEMU",
		}
	}
	return nil
}

// writeScripts writes the scripts that start a copy, each in one step.
func (g *fetching) writeScripts(name string) error {
	place := filepath.Join(g.folder, name)
	found, err := binaries(place)
	if err != nil {
		return err
	}
	bin := filepath.Join(g.folder, "bin")
	if err := owned.MkdirAll(bin, 0o755); err != nil {
		return unsafeFolder(bin, err)
	}
	for arch, l := range found {
		temporary := filepath.Join(bin, "."+binaryName(arch)+".new")
		if err := os.WriteFile(temporary, []byte(l.script(place)), 0o755); err != nil {
			return err
		}
		if err := os.Rename(temporary, filepath.Join(bin, binaryName(arch))); err != nil {
			return err
		}
	}
	return nil
}
