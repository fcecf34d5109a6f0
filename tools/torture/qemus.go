package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	fakeName = "qemu-system-x86_64"
	fakeReal = "DROVER_TORTURE_QEMU" // the QEMU that a fake passes things on to
)

// A misbehaviour is what a fake QEMU does. Each is played on both sides.
type misbehaviour struct {
	mode  string
	args  []string // of drover, before -qemu; nil for a run of bad_dest
	allow []int    // the exit statuses that are right; empty means 2
}

// mostArtifacts is what a run may keep of a QEMU that floods: each stream has its bound.
const mostArtifacts = 256 << 20

// misbehaviours are all there are; fake.go and relay.go have what they do.
func misbehaviours() (all []misbehaviour) {
	moves := []string{"run", "precopy/unix/plain"}
	for _, mode := range versionModes() {
		all = append(all, misbehaviour{mode: mode})
	}
	for _, mode := range helpModes() {
		all = append(all, misbehaviour{mode: mode})
	}
	for _, mode := range startModes() {
		all = append(all, misbehaviour{mode: mode})
	}
	for _, mode := range []string{"version-hangs", "start-hangs", "start-floods-stderr", "reply-silent"} {
		all = append(all, misbehaviour{mode: mode, args: []string{"preflight"}, allow: []int{1, 2}})
	}
	all = append(all, misbehaviour{mode: "version-hangs", args: []string{"doctor"}, allow: []int{0, 1, 2}})
	for _, relayed := range relayModes() {
		all = append(all, misbehaviour{mode: relayed.mode, args: moves, allow: relayed.allow})
	}
	return all
}

func (m misbehaviour) try(ctx context.Context, a *attempt) error {
	a.what = m.mode
	fake := a.path(fakeName)
	if err := os.Symlink(a.self, fake); err != nil {
		return err
	}
	c := call{
		args: []string{"run", "-qemu", fake, "-artifacts", a.path("artifacts"), "bad_dest"}, most: 2 * time.Minute,
		env: []string{fakeMode + "=" + m.mode, fakeReal + "=" + a.qemu},
	}
	switch {
	case m.args == nil:
	case m.args[0] == "run":
		c.args = append([]string{"run", "-qemu", fake, "-artifacts", a.path("artifacts")}, m.args[1:]...)
	case m.args[0] == "doctor":
		c.args = []string{"doctor"}
		c.env = append(c.env, "DROVER_QEMU="+fake)
	default:
		c.args = []string{m.args[0], fake, fake}
	}
	o, err := a.call(ctx, c)
	if err != nil {
		return err
	}
	allow := m.allow
	if len(allow) == 0 {
		allow = []int{2}
	}
	if !slices.Contains(allow, o.status) {
		return fmt.Errorf("expected exit status %v: %v", allow, o)
	}
	if kept := sizeOf(a.path("artifacts")) + sizeOf(a.path("tmp")); kept > mostArtifacts {
		return fmt.Errorf("%d MiB are kept, and %d allowed: %v", kept>>20, mostArtifacts>>20, o)
	}
	return a.nothingLeft(o.text())
}

// sizeOf is how many bytes the files below a folder have.
func sizeOf(path string) (size int64) {
	_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}
