package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/near"
)

// File is where the text is kept, from the top of the repository.
const File = "migration/scenarios/coverage.txt"

// Watchers are those that there are.
type Watchers struct {
	Scenarios map[string]string // the text of each scenario's file, by name
	Checks    []string
}

// Problems says, in sentences, where the list doesn't fit what the fleet offers, and what to
// do about each; nil where all fits: every item of a schema has an entry, every entry an item
// and watchers that exist, and a scenario that watches a parameter or a capability sets it.
func (l List) Problems(fleet []Recorded, w Watchers) (problems []string) {
	entries, offered := map[Item]bool{}, map[Item]bool{}
	for _, e := range l.Entries {
		entries[e.Item] = true
	}
	var names []string
	for _, r := range fleet {
		for _, item := range Items(r.Schema) {
			if !entries[item] && !offered[item] {
				problems = append(problems, fmt.Sprintf(
					"QEMU %s has the %s, which %s lacks: add a line \"%s = \" with the scenarios and checks that would notice if it did nothing, or with \"%s\" or \"%s\" and why",
					r.Version, item, File, item, impossible, gap))
			}
			offered[item] = true
			names = append(names, item.String())
		}
	}
	gaps := 0
	for _, e := range l.Entries {
		if e.Gap != "" {
			gaps++
		}
		if !offered[e.Item] {
			problems = append(problems, e.wrong("no recorded schema has the %s: remove the line, or correct it%s", e.Item, meant(e.String(), names)))
		}
		problems = append(problems, e.watchers(w)...)
	}
	if gaps != l.Gaps {
		problems = append(problems, fmt.Sprintf("%s has %d lines with %q, and says that it has %d: close the gap that is new, or correct the number in the line \"gaps = \"", File, gaps, gap, l.Gaps))
	}
	return problems
}

// wrong is a sentence about an entry's line.
func (e Entry) wrong(format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", File, e.Line, fmt.Sprintf(format, args...))
}

func meant(name string, names []string) string {
	if offers := near.Names(name, names); len(offers) > 0 {
		return "; did you mean " + offers[0] + "?"
	}
	return ""
}

// watchers says what is wrong with those of an entry.
func (e Entry) watchers(w Watchers) (problems []string) {
	for _, check := range e.Checks {
		if !slices.Contains(w.Checks, check) {
			problems = append(problems, e.wrong("there is no check %q: name one of those that package record has%s", check, meant(check, w.Checks)))
		}
	}
	for _, name := range e.Scenarios {
		text, ok := w.Scenarios[name]
		switch {
		case !ok:
			var names []string
			for known := range w.Scenarios {
				names = append(names, known)
			}
			problems = append(problems, e.wrong("there is no scenario %s: name one of those that \"drover list\" prints%s", name, meant(name, names)))
		case !e.isSetIn(text):
			problems = append(problems, e.wrong("the scenario %s is said to watch the %s, and its file does not set it: name one that does, or let this one", name, e.Item))
		}
	}
	return problems
}

// isSetIn says whether a scenario's file enables the capability, or gives the parameter a
// value, or that value. Of other kinds nothing is set.
func (e Entry) isSetIn(text string) bool {
	if e.Kind != Capability && e.Kind != Parameter {
		return true
	}
	path := strings.Fields(e.Name)
	for line := range strings.Lines(text) {
		for _, side := range []string{"source: ", "destination: ", "both: "} {
			line = strings.TrimPrefix(strings.TrimSpace(line), side)
		}
		words := strings.Fields(line)
		switch {
		case len(words) < 2 || strings.HasPrefix(words[0], "#"):
		case e.Kind == Capability:
			if words[0] == "enable" && slices.Contains(words[1:], e.Name) {
				return true
			}
		case words[0] == "set" && len(words) > 2 && words[1] == path[0] && (len(path) == 1 || words[2] == path[1]),
			words[0] == "qmp" && words[1] == "migrate-set-parameters" && quotesAll(line, path),
			slices.ContainsFunc(words[1:], setBy(words[0], path)):
			return true
		}
	}
	return false
}

// quotesAll says whether the line has each of the words in double quotes, as JSON has names.
func quotesAll(line string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, `"`+word+`"`) })
}

// setBy says whether a word behind a verb gives the parameter a value, without naming it.
func setBy(verb string, path []string) func(word string) bool {
	return func(word string) bool {
		key, _, _ := strings.Cut(word, "=")
		switch verb + " " + key {
		case "set cpr-exec-command": // to the destination's
			return path[0] == key
		case "use psk", "use x509":
			return path[0] == "tls-creds"
		case "use expect":
			return path[0] == "tls-hostname"
		case "use admit":
			return path[0] == "tls-authz"
		}
		return verb == "migrate_set_downtime" && path[0] == "downtime-limit" || verb == "migrate_set_speed" && path[0] == "max-bandwidth"
	}
}
