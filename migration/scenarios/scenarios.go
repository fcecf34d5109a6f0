// Package scenarios is the catalogue: one scenario file a scenario, in folders that spell
// its name. precopy/unix/plain.scenario is the scenario precopy/unix/plain.
package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
)

//go:embed *
var files embed.FS

// Extension is what the name of a scenario file ends with.
const Extension = ".scenario"

// All returns every scenario there is, ordered by name. The files are part of the
// program: that one of them can't be read is a bug, and All panics with it.
func All() []migration.Scenario { return read() }

var read = sync.OnceValue(func() (all []migration.Scenario) {
	vocabulary := steps.Verbs()
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(path, Extension)
		if err != nil || entry.IsDir() || !ok {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		s, err := migration.Parse(name, path, string(text), vocabulary)
		all = append(all, s)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("scenarios: %v", err))
	}
	return all
})

// Suite returns the names of the scenarios that do what QEMU's own migration-test of
// that version does on x86_64 in a full run, without those tests that need KVM, a
// compressor that no distribution builds, or leave to be flaky. It returns nil for a
// version other than 7.2, which has 41 such tests, 10.0, which has 75, and 11.1.
//
// Of 11.1's these are not here: colo (8 tests), for COLO has its guest on both sides and ends
// in no migration; precopy/rdma (2), which takes a network card for it or a kernel module that
// only root can load; mode/exec, whose source executes another QEMU in its own place, which no
// verb follows. Its multifd+postcopy are postcopy/multifd here, and those that recover one,
// without preempt and TLS, which postcopy/recovery and postcopy/preempt/recovery have.
//
// Two names have changed since 7.2 (fd_proto is precopy/fd/tcp, multifd/tcp/plain/none is
// multifd/tcp/uri/plain/none); cancel/src/after/cancelling and cancelled of 10.0 are one
// here, and psk/match over tcp is psk.
func Suite(version string) (names []string) {
	text, err := files.ReadFile(version + ".suite")
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// Coverage returns the text that says which scenarios and checks watch what QEMU offers, as
// package coverage reads it.
func Coverage() string {
	text, err := files.ReadFile("coverage.txt")
	if err != nil {
		panic(fmt.Sprintf("scenarios: %v", err))
	}
	return string(text)
}
