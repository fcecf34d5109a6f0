package migration

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// Args are the words behind a verb, taken one after another. What is wrong with them is
// kept, and refuses the line; a verb needs no look at errors of its own.
type Args struct {
	words      []word
	side       string
	wrong      *LineError
	vocabulary Vocabulary
}

// Side is the prefix of the line, or the side that is meant where it has none.
func (a *Args) Side() string { return a.side }

// Fail refuses the line, for the word that was taken last.
func (a *Args) Fail(format string, args ...any) {
	if a.wrong == nil {
		a.wrong = &LineError{Text: fmt.Sprintf(format, args...)}
	}
}

// More reports whether there are words left.
func (a *Args) More() bool { return len(a.words) > 0 }

func (a *Args) next(what string) word {
	if len(a.words) == 0 {
		a.Fail("%s is missing", what)
		return word{}
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

// Word takes the next word; the error where there is none names what it should be.
func (a *Args) Word(what string) string { return a.next(what).text }

// Rest takes all words that are left.
func (a *Args) Rest() (all []string) {
	for a.More() {
		all = append(all, a.Word(""))
	}
	return all
}

// Option takes the next word if it is that one.
func (a *Args) Option(text string) bool {
	if !a.More() || a.words[0].text != text {
		return false
	}
	a.words = a.words[1:]
	return true
}

// Key takes a word KEY=VALUE, wherever it is in the line, and returns the value; "" where there is none.
func (a *Args) Key(key string) string {
	for i, w := range a.words {
		if value, ok := strings.CutPrefix(w.text, key+"="); ok {
			a.words = append(append([]word{}, a.words[:i]...), a.words[i+1:]...)
			return value
		}
	}
	return ""
}

// OneOf takes the next word, which must be one of those.
func (a *Args) OneOf(what string, of ...string) string {
	text := a.Word(what)
	for _, known := range of {
		if text == known {
			return text
		}
	}
	if a.wrong == nil {
		hint := "it is one of " + strings.Join(of, ", ")
		if offers := near.Names(text, of); len(offers) > 0 {
			hint = "did you mean " + strings.Join(offers, ", or ") + "?"
		}
		a.Fail("%q is not %s; %s", text, what, hint)
	}
	return text
}

// Int takes a whole number, which isn't negative.
func (a *Args) Int(what string) int {
	text := a.Word(what)
	n, err := strconv.Atoi(text)
	if a.wrong == nil && (err != nil || n < 0) {
		a.Fail("%q is not %s: a whole number, such as 4", text, what)
	}
	return n
}

// Float takes a number.
func (a *Args) Float(what string) float64 {
	text := a.Word(what)
	x, err := strconv.ParseFloat(text, 64)
	if a.wrong == nil && err != nil {
		a.Fail("%q is not %s: a number, such as 1.2", text, what)
	}
	return x
}

// Size takes a number of bytes, with a unit or without: 4096, 64KiB, 20MB.
func (a *Args) Size(what string) int64 {
	text := a.Word(what)
	n, ok := parseSize(text)
	if a.wrong == nil && !ok {
		a.Fail("%q is not %s: a size, such as 4096, 256MiB or 1GB", text, what)
	}
	return n
}

// Rate takes a number of bytes a second: 60MB/s.
func (a *Args) Rate(what string) float64 { return float64(a.Size(what)) }

// Duration takes a time: 300ms, 5s, 1m.
func (a *Args) Duration(what string) time.Duration {
	text := a.Word(what)
	d, err := time.ParseDuration(text)
	if a.wrong == nil && (err != nil || d < 0) {
		a.Fail("%q is not %s: a time, such as 300ms, 5s or 1m", text, what)
	}
	return d
}

// Percent takes a percentage: 95%.
func (a *Args) Percent(what string) int64 {
	text := a.Word(what)
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 64)
	if a.wrong == nil && (err != nil || n < 0 || n > 100) {
		a.Fail("%q is not %s: a percentage, such as 95%%", text, what)
	}
	return n
}

// Release takes a release of QEMU: 8.2.
func (a *Args) Release() Release {
	r, err := ParseRelease(a.Word("the release of QEMU"))
	if err != nil {
		a.Fail("%v", err)
	}
	return r
}

// Since takes "since RELEASE", "" where that doesn't come next.
func (a *Args) Since() Release { return a.releaseBehind("since") }

// Until takes "until RELEASE", "" where that doesn't come next.
func (a *Args) Until() Release { return a.releaseBehind("until") }

func (a *Args) releaseBehind(option string) Release {
	if !a.Option(option) {
		return ""
	}
	return a.Release()
}

// since takes the release that every need of a QEMU has.
func (a *Args) since() (Release, bool) {
	since := a.Since()
	if since == "" {
		a.Fail("a need has the release since which QEMU has it: since 8.2")
	}
	return since, a.Option("build-option")
}

// Capability takes the name of a migration capability: any that QEMU may have.
func (a *Args) Capability() qapi.Capability {
	return qapi.Capability(a.name("capability", "postcopy-ram"))
}

// Parameter takes the name of a migration parameter: any that QEMU may have.
func (a *Args) Parameter() qapi.Parameter { return parameterName(a.name("parameter", "max-bandwidth")) }

func parameterName(text string) qapi.Parameter { return qapi.Parameter(text) }

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (a *Args) name(what, example string) string {
	text := a.Word("the " + what)
	if a.wrong == nil && !nameForm.MatchString(text) {
		a.Fail("%q is no name of a %s, such as %s", text, what, example)
	}
	return text
}

// Step takes all that is left, which is a line of its own: a step.
func (a *Args) Step() Step {
	if !a.More() {
		a.Fail("the step is missing")
		return Step{}
	}
	step, wrong := a.vocabulary.step(a.words)
	if wrong != nil && a.wrong == nil {
		a.wrong = wrong
	}
	a.words = nil
	return step
}

func (a *Args) ending() record.Ending {
	text := strings.Join(a.Rest(), " ")
	endings := map[string]record.Ending{
		"on destination": record.OnDestination, "on source": record.OnSource, "without guest": record.NoGuest, "lost": record.Lost,
	}
	ends, ok := endings[text]
	if !ok {
		a.Fail("%q is nowhere that a guest ends: it is on destination, on source, without guest, or lost", text)
	}
	return ends
}
