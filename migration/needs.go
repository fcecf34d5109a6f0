package migration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/internal/once"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qmp/schema"

	"github.com/drover-vm/drover/migration/record"
)

// A Need is something that a scenario can't do without: a [Capability], a [Parameter],
// a [SchemaPath], a [Device], a [HostFeature], an [Arch], a [FixedIn] or an [Outside]. What is lacking makes a run a
// skip, whose reason is the need's sentence; but a QEMU so new that it must have what is
// needed, and lacks it, makes it a failure.
type Need interface {
	// String is the line of a scenario file, behind the word needs.
	String() string
	// lacks returns what an option, or this host, lacks, before anything is started.
	lacks(o Options) error
	// lacking returns what a side's QEMU lacks.
	lacking(ctx context.Context, s *Side, capabilities map[string]bool) error
}

// A Release is one of QEMU's, such as "8.2".
type Release string

// ParseRelease reports whether text is a release: two numbers with a dot between.
func ParseRelease(text string) (Release, error) {
	major, minor, ok := strings.Cut(text, ".")
	for _, n := range []string{major, minor} {
		if _, err := strconv.ParseUint(n, 10, 16); err != nil || !ok {
			return "", fmt.Errorf("%q is no release of QEMU: it is two numbers, such as 8.2", text)
		}
	}
	return Release(text), nil
}

// In reports whether a QEMU of that version is at least as new.
func (r Release) In(v qmp.Version) bool {
	major, minor := r.numbers()
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// is says whether a QEMU of that version is of the release.
func (r Release) is(v qmp.Version) bool {
	major, minor := r.numbers()
	return v.Major == major && v.Minor == minor
}

// atLeast says whether a release is as new as another, or newer.
func (r Release) atLeast(other Release) bool {
	major, minor := r.numbers()
	return other.In(qmp.Version{Major: major, Minor: minor})
}

func (r Release) numbers() (major, minor int) {
	x, y, _ := strings.Cut(string(r), ".")
	major, _ = strconv.Atoi(x)
	minor, _ = strconv.Atoi(y)
	return major, minor
}

// An UnsupportedError says what a host or a QEMU lacks for a scenario, in a sentence that
// names what would help.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return e.What }

// Lacks is the error of a QEMU that lacks something. One that is older than the release
// since which QEMU has it can't do the scenario; a newer one fails it, unless not every
// build has it.
func (s *Side) Lacks(what string, since Release, buildOption bool) error {
	text := fmt.Sprintf("QEMU %s has no %s", s.Facts.Version, what)
	switch {
	case !since.In(s.Version()):
		return &UnsupportedError{fmt.Sprintf("%s, which came with %s", text, since)}
	case buildOption:
		return &UnsupportedError{text + ", which not every build has"}
	}
	return fmt.Errorf("%s, which QEMU has since %s", text, since)
}

// RefusedSince is the error of a QEMU that refuses what newer or older ones take: from is
// the release from which on it must take it, or with until, up to which.
func (s *Side) RefusedSince(desc string, from, until Release) error {
	switch {
	case from != "" && !from.In(s.Version()):
		return &UnsupportedError{fmt.Sprintf("QEMU %s refuses: %s (it takes that since %s)", s.Facts.Version, desc, from)}
	case until != "" && until.In(s.Version()):
		return &UnsupportedError{fmt.Sprintf("QEMU %s refuses: %s (it took that until %s)", s.Facts.Version, desc, until)}
	}
	return fmt.Errorf("QEMU %s refuses: %s", s.Facts.Version, desc)
}

// A Capability is a migration capability that both QEMUs must know.
type Capability struct {
	Name        qapi.Capability
	Since       Release
	BuildOption bool // not every build of a newer QEMU has it
}

func (n Capability) String() string {
	return since("capability "+string(n.Name), n.Since, n.BuildOption)
}
func (n Capability) lacks(Options) error { return nil }
func (n Capability) lacking(_ context.Context, s *Side, capabilities map[string]bool) error {
	if _, ok := capabilities[string(n.Name)]; ok {
		return nil
	}
	return s.Lacks("capability "+string(n.Name), n.Since, n.BuildOption)
}

// A Parameter is a migration parameter that both QEMUs must have, or a value that it must
// take, where Value isn't empty.
type Parameter struct {
	Name        qapi.Parameter
	Value       string
	Since       Release
	BuildOption bool
}

func (n Parameter) name() string {
	if n.Value != "" {
		return string(n.Name) + "=" + n.Value
	}
	return string(n.Name)
}

func (n Parameter) String() string      { return since("parameter "+n.name(), n.Since, n.BuildOption) }
func (n Parameter) lacks(Options) error { return nil }
func (n Parameter) lacking(ctx context.Context, s *Side, _ map[string]bool) error {
	path := strings.TrimSpace("migrate-set-parameters " + string(n.Name) + " " + n.Value)
	return s.needSchema(ctx, path, "parameter "+n.name(), n.Since, n.BuildOption)
}

// A SchemaPath leads to something in QMP's schema that both QEMUs must have:
// "migrate channels", "query-migrate -> status postcopy-device".
type SchemaPath struct {
	Path        string
	Since       Release
	BuildOption bool
}

func (n SchemaPath) String() string {
	return since("schema "+strconv.Quote(n.Path), n.Since, n.BuildOption)
}
func (n SchemaPath) lacks(Options) error { return nil }
func (n SchemaPath) lacking(ctx context.Context, s *Side, _ map[string]bool) error {
	return s.needSchema(ctx, n.Path, strconv.Quote(n.Path)+" in its QMP schema", n.Since, n.BuildOption)
}

func since(what string, since Release, buildOption bool) string {
	what += " since " + string(since)
	if buildOption {
		what += " build-option"
	}
	return what
}

// An Arch is what a scenario runs on: one of the targets.
type Arch []string

func (n Arch) String() string { return "arch " + strings.Join(n, " ") }
func (n Arch) lacks(o Options) error {
	if slices.Contains(n, o.Arch) {
		return nil
	}
	return &UnsupportedError{fmt.Sprintf("it is for %s, and not for %s", strings.Join(n, " and "), o.Arch)}
}
func (n Arch) lacking(context.Context, *Side, map[string]bool) error { return nil }

// A FixedIn is a known bug that keeps older QEMUs from the scenario. A bug, unlike a
// feature, can't be asked for.
type FixedIn struct {
	Release Release
	Bug     string // what such a QEMU does, in a clause
}

func (n FixedIn) String() string      { return "fixed-in " + string(n.Release) + " " + strconv.Quote(n.Bug) }
func (n FixedIn) lacks(Options) error { return nil }
func (n FixedIn) lacking(_ context.Context, s *Side, _ map[string]bool) error {
	if n.Release.In(s.Version()) {
		return nil
	}
	return &UnsupportedError{fmt.Sprintf("QEMU %s has a known bug, fixed in %s: %s", s.Facts.Version, n.Release, n.Bug)}
}

// An Outside is a known bug of the releases from First to Last, both included, which keeps
// them from the scenario, and of which no release is known to be the fix. One newer than
// Last is tried, and shows whether it still has the bug.
type Outside struct {
	First, Last Release
	Bug         string // what such a QEMU does, in a clause
	Accel       string // the accelerator under which it does; "" for any
	On          string // the only target whose guests it concerns; "" is any
}

func (n Outside) String() string {
	text := fmt.Sprintf("outside %s %s", n.First, n.Last)
	if n.Accel != "" {
		text += " " + n.Accel
	}
	text += fmt.Sprintf(" %q", n.Bug)
	if n.On != "" {
		text += " on " + n.On
	}
	return text
}
func (n Outside) lacks(Options) error { return nil }
func (n Outside) lacking(_ context.Context, s *Side, _ map[string]bool) error {
	if n.On != "" && n.On != s.run.options.Arch {
		return nil
	}
	accel, _, _ := strings.Cut(s.run.options.Accel, ",")
	return n.of(s.Version(), accel)
}

// of says what a QEMU of that version does under an accelerator.
func (n Outside) of(v qmp.Version, accel string) error {
	if n.Accel != "" && n.Accel != accel || !n.First.In(v) || n.Last.In(v) && !n.Last.is(v) {
		return nil
	}
	return &UnsupportedError{fmt.Sprintf("QEMU %s has a known bug, seen from %s to %s: %s", v, n.First, n.Last, n.Bug)}
}

// A HostFeature is something that this host must have.
type HostFeature struct {
	Name string
	// Missing says in a sentence what this host lacks and how to get it, nil where it
	// lacks nothing.
	Missing func() error
}

func (n HostFeature) String() string { return "host " + n.Name }
func (n HostFeature) lacks(Options) error {
	if err := n.Missing(); err != nil {
		return &UnsupportedError{err.Error()}
	}
	return nil
}
func (n HostFeature) lacking(context.Context, *Side, map[string]bool) error { return nil }

func (s Scenario) lacksBeforeStart(o Options) error {
	for _, n := range s.Needs {
		if err := n.lacks(o); err != nil {
			return err
		}
	}
	return s.Guest.Linux.lacks(s.plugs(), o)
}

// needQEMU asks both sides for what the scenario needs of them.
func (r *run) needQEMU(ctx context.Context, p *Pair, s Scenario) error {
	for _, side := range p.Sides() {
		known, err := qapi.QueryMigrateCapabilities(ctx, side.QMP())
		if err != nil {
			return err
		}
		for _, n := range s.Needs {
			if err := n.lacking(ctx, side, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// schemas are those of the QEMUs of one run, by binary, each of which is asked once: it
// takes QEMU longer to reply than all else that it is asked before a migration.
type schemas = once.Map[string, *schema.Schema]

// HasSchema reports whether a side's QEMU has something in its schema.
func (s *Side) HasSchema(ctx context.Context, path string) (bool, error) {
	known, err := s.run.schemas.Get(ctx, s.Binary(), func(ctx context.Context) (*schema.Schema, error) { return schema.Query(ctx, s.QMP()) })
	return err == nil && known.Has(path), err
}

func (s *Side) needSchema(ctx context.Context, path, what string, since Release, buildOption bool) error {
	has, err := s.HasSchema(ctx, path)
	if err == nil && !has {
		err = s.Lacks(what, since, buildOption)
	}
	return err
}

// knownBug is what the source's QEMU is known to do to such a guest, "" for nothing.
func (p *Pair) knownBug() string {
	return record.KnownBug(p.Facts, p.Program.Hot)
}
