package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// nextStep is the last line of a run of the whole catalogue: one thing that is worth trying
// next, as a command line that calls drover so, and why. QEMU is the version of the older side,
// worst is the first result that failed, else the first unknown, nil where there is neither.
func nextStep(drover string, sum report.Sum, qemu string, worst *record.Result) string {
	releases := fleet.Releases()
	newest := releases[len(releases)-1].QEMU
	switch {
	case worst != nil && worst.Outcome == record.Fail:
		return fmt.Sprintf("%s run --hold %s    # where it fails again both VMs stay: QMP, console, gdb", drover, worst.Name())
	case worst != nil:
		return fmt.Sprintf("%s run %s    # it could not be judged, as on a host that is too busy", drover, worst.Name())
	case sum.Passed == 0:
		return ""
	case sum.Skipped > 0 && qemu != "" && semver.Compare("v"+qemu, "v"+newest) < 0:
		return fmt.Sprintf("%[1]s fleet fetch %[2]s && %[1]s run --qemu %[2]s    # QEMU %[2]s can do more than QEMU %[3]s", drover, newest, qemu)
	}
	return fmt.Sprintf("%[1]s fleet fetch && %[1]s matrix    # from each version of QEMU to each", drover)
}

// worse is the one of two results that a person looks at first: the first that failed, else
// the first unknown; nil for neither.
func worse(first, r *record.Result) *record.Result {
	fails := r.Outcome == record.Fail && (first == nil || first.Outcome != record.Fail)
	if fails || r.Outcome == record.Unknown && first == nil {
		return r
	}
	return first
}

// self is how this program was called, for lines that a person pastes: "go run" leaves no
// program that could be called again.
func self(called string) string {
	if strings.Contains(called, "/go-build") {
		return "go run ./cmd/drover"
	}
	return "drover"
}

// whole says that the run is of the catalogue, once, on two QEMUs: what a person runs who is
// new here.
func (f *runFlags) whole() bool {
	return len(f.patterns) == 0 && f.suite == "" && !f.fleet && !f.repeats.repeated() && !f.bisect
}

// olderVersion is that of the older of the QEMUs that jobs ran on, "" where they don't say.
func olderVersion(ctx context.Context, known *probe.Known, jobs []job) (version string) {
	seen := map[string]bool{}
	for _, j := range jobs {
		for _, path := range []string{j.options.Source, j.options.Destination} {
			if seen[path] {
				continue
			}
			seen[path] = true
			info, err := known.Binary(ctx, path)
			if err != nil {
				return ""
			}
			if v := info.Version.String(); version == "" || semver.Compare("v"+v, "v"+version) < 0 {
				version = v
			}
		}
	}
	return version
}
