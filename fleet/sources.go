package fleet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaultMirror carries the releases of Debian for a host that isn't a
// Debian, or doesn't say where its own comes from.
const defaultMirror = "http://deb.debian.org/debian"

// A source is one entry of the system's apt sources.
type source struct {
	text   string // as apt reads it, deb-src left out
	deb822 bool
	uris   []string
	suites []string
}

// covers reports whether an entry is of a release, its updates or its
// security fixes.
func (s source) covers(suite string) bool {
	return slices.ContainsFunc(s.suites, func(name string) bool {
		name, _, _ = strings.Cut(name, "/")
		return name == suite || strings.HasPrefix(name, suite+"-")
	})
}

// systemSources reads the binary packages' entries of the system's apt
// sources. What it can't read it passes over: apt decides.
func (f Fleet) systemSources() []source {
	files := []string{f.path("etc", "apt", "sources.list")}
	entries, _ := os.ReadDir(f.path("etc", "apt", "sources.list.d"))
	for _, entry := range entries {
		files = append(files, f.path("etc", "apt", "sources.list.d", entry.Name()))
	}
	var sources []source
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		switch filepath.Ext(file) {
		case ".list":
			sources = append(sources, oneLineSources(string(data))...)
		case ".sources":
			sources = append(sources, deb822Sources(string(data))...)
		}
	}
	return sources
}

// oneLineSources reads the style of sources.list(5) with an entry a line:
// deb [options] uri suite component…
func oneLineSources(text string) []source {
	var sources []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, "deb")
		if !ok || rest == strings.TrimLeft(rest, " \t") {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			if _, rest, ok = strings.Cut(rest, "]"); !ok {
				continue
			}
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			sources = append(sources, source{text: line, uris: fields[:1], suites: fields[1:2]})
		}
	}
	return sources
}

// deb822Sources reads the style with a stanza an entry.
func deb822Sources(text string) []source {
	var sources []source
	for stanza := range strings.SplitSeq(withoutComments(text), "\n\n") {
		var kept []string
		fields := make(map[string][]string)
		var field string
		for line := range strings.Lines(stanza) {
			line = strings.TrimRight(line, " \t\r\n")
			if line == "" {
				continue
			}
			value := line
			if line[0] != ' ' && line[0] != '\t' {
				var name string
				name, value, _ = strings.Cut(line, ":")
				field = strings.ToLower(name)
			}
			fields[field] = append(fields[field], strings.Fields(value)...)
			if field != "types" {
				kept = append(kept, line)
			}
		}
		if !slices.Contains(fields["types"], "deb") || slices.Equal(fields["enabled"], []string{"no"}) {
			continue
		}
		sources = append(sources, source{
			text:   "Types: deb\n" + strings.Join(kept, "\n") + "\n",
			deb822: true,
			uris:   fields["uris"],
			suites: fields["suites"],
		})
	}
	return sources
}

// withoutComments drops the lines that start with # and makes blank those
// that hold white space only, which part stanzas too.
func withoutComments(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.TrimSpace(line) == "" {
			line = "\n"
		}
		kept.WriteString(line)
	}
	return kept.String()
}

// sourcesFor returns the files of an apt sources folder for a release, by
// name.
func (f Fleet) sourcesFor(r Release) (map[string]string, error) {
	if !r.system() {
		keyring, err := f.debianKeyring()
		if err != nil {
			return nil, err
		}
		text := "Types: deb\nURIs: " + f.debianMirror() + "\nSuites: " + strings.Join(r.suites, " ") +
			"\nComponents: main\nSigned-By: " + keyring + "\n"
		return map[string]string{"debian.sources": text}, nil
	}
	system := f.systemSources()
	chosen := slices.DeleteFunc(slices.Clone(system), func(s source) bool { return !s.covers(r.Suite) })
	if len(chosen) == 0 {
		// A rolling release, or a derivative whose suites are called
		// something else: then all of them.
		chosen = system
	}
	if len(chosen) == 0 {
		return nil, &FetchError{
			Release: r.Suite, Step: "sources",
			Reason: "this system's apt has no sources of packages",
			Remedy: "add the distribution's to /etc/apt/sources.list.d",
		}
	}
	var lines, stanzas []string
	for _, s := range chosen {
		if s.deb822 {
			stanzas = append(stanzas, s.text)
		} else {
			lines = append(lines, s.text)
		}
	}
	files := make(map[string]string)
	if len(lines) > 0 {
		files["system.list"] = strings.Join(lines, "\n") + "\n"
	}
	if len(stanzas) > 0 {
		files["system.sources"] = strings.Join(stanzas, "\n")
	}
	return files, nil
}

// debianMirror returns where releases of Debian are fetched from: the mirror
// that this host itself uses, if it is a Debian.
func (f Fleet) debianMirror() string {
	if mirror := f.getenv("DROVER_DEBIAN_MIRROR"); mirror != "" {
		return mirror
	}
	release := f.osRelease()
	if suite := release["VERSION_CODENAME"]; release["ID"] == "debian" {
		for _, s := range f.systemSources() {
			plain := suite == "" || slices.Contains(s.suites, suite)
			if plain && len(s.uris) > 0 && strings.HasSuffix(strings.TrimRight(s.uris[0], "/"), "/debian") {
				return s.uris[0]
			}
		}
	}
	return defaultMirror
}

// debianKeyring returns the file of the keys that Debian signs its releases
// with.
func (f Fleet) debianKeyring() (string, error) {
	for _, name := range []string{"debian-archive-keyring.gpg", "debian-archive-keyring.pgp"} {
		file := f.path("usr", "share", "keyrings", name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", &FetchError{
		Step:   "sources",
		Reason: "this system has no keys of Debian's archive, so signatures could not be checked",
		Remedy: "install them with: sudo apt install debian-archive-keyring",
	}
}
