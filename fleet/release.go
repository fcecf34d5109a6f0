package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Release is a distribution's release, as far as it matters here: the QEMU
// that it carries.
type Release struct {
	Suite string // the release's code name, for instance "bookworm": also the name of its folder
	QEMU  string // the version that it carries, for instance "7.2"; "" where that isn't known before
	Use   string // what it is good for, in one clause

	suites []string // what apt reads; none = the system's own sources
}

// system reports whether a release is fetched from the host's own sources.
func (r Release) system() bool { return len(r.suites) == 0 }

// target returns the suite that is preferred over the others, if there is
// more than one.
func (r Release) target() string {
	if len(r.suites) < 2 {
		return ""
	}
	return r.suites[len(r.suites)-1]
}

// Releases returns the releases of Debian that make up the fleet, the oldest
// QEMU first. They can be fetched on every host with apt and Debian's keys.
func Releases() []Release {
	return []Release{
		{"bullseye", "5.2", "the last QEMU with migrate_set_speed and migrate_set_downtime", []string{"bullseye"}},
		{"bookworm", "7.2", "a QEMU from before mapped-ram and the channels argument", []string{"bookworm"}},
		{"trixie", "10.0", "mapped-ram, cpr-reboot, the channels argument", []string{"trixie"}},
		{"trixie-backports", "11.1", "the newest; deprecates -mon", []string{"trixie", "trixie-backports"}},
	}
}

// An UnknownReleaseError says that a name is no release's.
type UnknownReleaseError struct{ Name string }

func (e *UnknownReleaseError) Error() string {
	var names []string
	for _, r := range Releases() {
		names = append(names, fmt.Sprintf("%s (%s)", r.Suite, r.QEMU))
	}
	return fmt.Sprintf("unknown release %q; there are %s and distribution, this host's own", e.Name, strings.Join(names, ", "))
}

// Release returns the release of a name: its suite, the version of its QEMU,
// or "distribution" for the host's own.
func (f Fleet) Release(name string) (Release, error) {
	if name == "distribution" {
		return f.Distribution()
	}
	all := Releases()
	i := slices.IndexFunc(all, func(r Release) bool { return r.Suite == name || r.QEMU == name })
	if i < 0 {
		if own, err := f.Distribution(); err == nil && own.Suite == name {
			return own, nil
		}
		return Release{}, &UnknownReleaseError{name}
	}
	return all[i], nil
}

// errNoApt says why there is no release of the host's own.
var errNoApt = errors.New("this system has no apt-get and dpkg-deb")

// Distribution returns the host's own release, which is fetched from the
// sources that the system's apt knows. It is an error if the system has no
// apt.
func (f Fleet) Distribution() (Release, error) {
	if f.inPath("apt-get") == "" || f.inPath("dpkg-deb") == "" {
		return Release{}, errNoApt
	}
	suite := f.osRelease()["VERSION_CODENAME"]
	if suite == "" || strings.ContainsAny(suite, "/. ") {
		suite = "distribution"
	}
	release := Release{Suite: suite, Use: "this host's own"}
	for _, r := range Releases() {
		if r.Suite == suite {
			release.QEMU = r.QEMU
		}
	}
	return release, nil
}
