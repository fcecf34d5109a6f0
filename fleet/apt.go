package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/drover-vm/drover/internal/ended"
)

// An apt is apt-get at work in a folder of its own, with that folder's
// sources, lists and archives, and an empty list of installed packages.
type apt struct {
	get     string // the path of apt-get
	suite   string
	folder  string
	release Release
}

// A deb is one package that has to be fetched.
type deb struct {
	file string // the name that apt gives it among its archives
	size int64
	hash string // "SHA256:" and its like, then hexadecimal digits
}

// archives is the folder into which packages are downloaded. apt keeps half
// of one in archives/partial and goes on from there.
func (a apt) archives() string { return filepath.Join(a.folder, "archives") }

// newApt sets apt's folder up, or again: what was downloaded into it before
// stays.
func (f Fleet) newApt(ctx context.Context, r Release, folder string) (apt, error) {
	return f.newAptFor(ctx, r, folder, "")
}

// newAptFor is newApt for packages of an architecture, by Debian's name; "" is the host's own.
func (f Fleet) newAptFor(ctx context.Context, r Release, folder, debian string) (apt, error) {
	get := f.inPath("apt-get")
	dpkg := f.inPath("dpkg")
	if get == "" || dpkg == "" || f.inPath("dpkg-deb") == "" {
		return apt{}, &FetchError{
			Release: r.Suite, Step: "sources", Reason: errNoApt.Error(), Err: errNoApt,
			Remedy: "install a QEMU with: " + f.InstallHint("x86_64"),
		}
	}
	if debian == "" {
		var own bytes.Buffer
		if output, err := (command{path: dpkg, args: []string{"--print-architecture"}, stdout: &own}).run(ctx); err != nil {
			return apt{}, &FetchError{Release: r.Suite, Step: "sources", Reason: "dpkg --print-architecture: " + aptLine(output), Err: err}
		}
		debian = strings.TrimSpace(own.String())
	}
	sources, err := f.sourcesFor(r)
	if err != nil {
		if fetch, ok := errors.AsType[*FetchError](err); ok {
			fetch.Release = r.Suite
		}
		return apt{}, err
	}
	a := apt{get: get, suite: r.Suite, folder: folder, release: r}
	if err := os.RemoveAll(filepath.Join(folder, "sources")); err != nil {
		return apt{}, err
	}
	for _, sub := range []string{"sources", "lists/partial", "archives/partial", "none/partial", "state", "log"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o755); err != nil {
			return apt{}, err
		}
	}
	files := map[string]string{
		"status":   "",
		"apt.conf": aptConfiguration(folder, debian, r.target()),
	}
	for name, text := range sources {
		files[filepath.Join("sources", name)] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return apt{}, err
		}
	}
	return a, nil
}

// aptConfiguration is read after the system's own configuration (its proxy
// and its mirror's credentials hold), of which it undoes what would write
// outside the folder or fetch what isn't needed.
func aptConfiguration(folder, arch, target string) string {
	var b strings.Builder
	for _, list := range []string{
		// Commands that the system runs after each update of its own lists.
		"APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success",
		"AptCli::Hooks", "DPkg::Pre-Install-Pkgs",
		// Contents, translations, icons: none is needed.
		"Acquire::IndexTargets",
		"APT::Architectures",
	} {
		fmt.Fprintf(&b, "#clear %s;\n", list)
	}
	b.WriteString(`Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages";
  Optional "false";
};
`)
	fmt.Fprintf(&b, "APT::Architectures { %q; };\nAPT::Architecture %q;\n", arch, arch)
	for _, setting := range [][2]string{
		{"APT::Install-Recommends", "false"},
		{"APT::Install-Suggests", "false"},
		{"APT::Default-Release", target},
		{"APT::Get::AllowUnauthenticated", "false"},
		{"Acquire::AllowInsecureRepositories", "false"},
		{"Acquire::Languages", "none"},
		{"Acquire::Retries", "2"},
		{"Acquire::http::Timeout", "20"},
		{"Acquire::https::Timeout", "20"},
		{"Dir::Etc::sourcelist", "/dev/null"},
		{"Dir::Etc::sourceparts", filepath.Join(folder, "sources")},
		{"Dir::Etc::preferences", "/dev/null"},
		{"Dir::Etc::preferencesparts", "/dev/null"},
		{"Dir::State", filepath.Join(folder, "state")},
		{"Dir::State::lists", filepath.Join(folder, "lists")},
		{"Dir::State::status", filepath.Join(folder, "status")},
		{"Dir::State::extended_states", filepath.Join(folder, "state", "extended_states")},
		{"Dir::Cache", folder},
		{"Dir::Cache::archives", filepath.Join(folder, "archives")},
		{"Dir::Cache::pkgcache", "pkgcache.bin"},
		{"Dir::Cache::srcpkgcache", ""},
		{"Dir::Log", filepath.Join(folder, "log")},
	} {
		fmt.Fprintf(&b, "%s \"%s\";\n", setting[0], setting[1])
	}
	return b.String()
}

// do runs apt-get and explains its errors.
func (a apt) do(ctx context.Context, step string, c command) error {
	c.path = a.get
	c.args = append([]string{"-c", filepath.Join(a.folder, "apt.conf"), "-y", "-q"}, c.args...)
	output, err := c.run(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &FetchError{
			Release: a.suite, Step: step, Reason: "interrupted", Err: ended.By(ctx),
			Remedy: "what was downloaded is kept for the next time",
		}
	}
	reason, remedy := explainApt(output)
	if errors.Is(err, errStalled) {
		reason, remedy = "apt-get hangs: "+err.Error(), "is this machine connected?"
	}
	if errors.Is(err, syscall.ENOSPC) {
		reason, remedy = explainApt("No space left on device")
	}
	return &FetchError{Release: a.suite, Step: step, Reason: reason, Remedy: remedy, Err: err}
}

// update fetches the package lists. It is an error if one of the sources
// can't be read, also if others can.
func (a apt) update(ctx context.Context, tell func(percent float64)) error {
	return a.do(ctx, "lists", command{
		args: []string{"update", "-o", "APT::Status-Fd=3", "-o", "APT::Update::Error-Mode=any"},
		status: func(line string) {
			if percent, ok := parseStatus(line); ok {
				tell(percent)
			}
		},
	})
}

// closure returns the packages that a package needs on an empty system, as
// apt would download them, itself included.
func (a apt) closure(ctx context.Context, name string) ([]deb, error) {
	var out bytes.Buffer
	err := a.do(ctx, "packages", command{
		args: []string{
			"install", "-q", "--print-uris",
			// An empty folder, or those that are there already would be left out.
			"-o", "Dir::Cache::archives=" + filepath.Join(a.folder, "none"), name,
		},
		stdout: &out,
	})
	if err != nil {
		return nil, err
	}
	debs := parseURIs(out.String())
	if len(debs) == 0 {
		return nil, &FetchError{Release: a.suite, Step: "packages", Reason: "apt-get names no file for the package " + name}
	}
	return debs, nil
}

// download fetches a package and what it needs into the archives.
func (a apt) download(ctx context.Context, name string, tell func(percent float64)) error {
	return a.do(ctx, "download", command{
		args: []string{"install", "--download-only", "-o", "APT::Status-Fd=3", name},
		status: func(line string) {
			if percent, ok := parseStatus(line); ok {
				tell(percent)
			}
		},
	})
}

// downloaded returns how many bytes of some packages are there already.
func (a apt) downloaded(debs []deb) (bytes int64) {
	for _, d := range debs {
		for _, name := range []string{d.file, "partial/" + d.file} {
			if stat, err := os.Stat(filepath.Join(a.archives(), name)); err == nil {
				bytes += stat.Size()
			}
		}
	}
	return bytes
}

// parseStatus reads a line of apt's status descriptor,
// dlstatus:NUMBER:PERCENT:TEXT.
func parseStatus(line string) (percent float64, ok bool) {
	fields := strings.SplitN(line, ":", 4)
	if len(fields) < 3 || fields[0] != "dlstatus" {
		return 0, false
	}
	percent, err := strconv.ParseFloat(fields[2], 64)
	return percent, err == nil
}

// parseURIs reads what apt-get prints to --print-uris, a line a package:
// 'uri' file size hash.
func parseURIs(out string) []deb {
	var debs []deb
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "'") {
			continue
		}
		uri, err := url.Parse(strings.Trim(fields[0], "'"))
		size, sizeErr := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || sizeErr != nil || uri.Path == "" || filepath.Base(fields[1]) != fields[1] {
			continue
		}
		d := deb{file: fields[1], size: size}
		if len(fields) > 3 {
			d.hash = fields[3]
		}
		debs = append(debs, d)
	}
	return debs
}
