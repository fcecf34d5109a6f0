package report

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// clip cuts a text to so many bytes.
func clip(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	return plain.Cut(text, most)
}

type namedFacts struct {
	name  string
	facts *record.SideFacts
}

// sidesOf are the sides that the record has something of.
func sidesOf(r *record.Record) (all []namedFacts) {
	if r.Source != nil {
		all = append(all, namedFacts{"source", r.Source})
	}
	if r.Destination != nil {
		all = append(all, namedFacts{"destination", r.Destination})
	}
	return all
}

// statusOf is the status of a MIGRATION event.
func statusOf(e record.EventFacts) string {
	var data struct{ Status string }
	if e.Name != "MIGRATION" || json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	return data.Status
}

func statuses(events []record.EventFacts) (all []string) {
	for _, e := range events {
		if s := statusOf(e); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// lastStatus is the last migration status that a side came to.
func (x *explainer) lastStatus(side string) string {
	for _, s := range sidesOf(x.facts) {
		if all := statuses(s.facts.Events); s.name == side && len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return ""
}

var runStateIs = regexp.MustCompile(`^the (source|destination)'s run state is (\S+)`)

// runState is a side's in the end, as far as it was seen; "" where it was not.
func (x *explainer) runState(side string) string {
	for _, line := range x.facts.Diagnosis {
		if m := runStateIs.FindStringSubmatch(line); m != nil && m[1] == side {
			return m[2]
		}
	}
	if l := x.facts.Life; l != nil && l.Side == side {
		return l.Status
	}
	return ""
}

// size writes bytes with three digits.
func size(bytes float64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if math.Abs(bytes) >= u.size {
			return fmt.Sprintf("%.1f %s", bytes/u.size, u.unit)
		}
	}
	return fmt.Sprintf("%.0f bytes", bytes)
}

// thousands writes a number with commas between each three digits; a fraction where it has fewer
// than four.
func thousands(x float64) string {
	if x != math.Trunc(x) && math.Abs(x) < 999.5 || math.Abs(x) > 1<<53 {
		return fmt.Sprintf("%.3g", x)
	}
	digits := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	var parts []string
	for len(digits) > 3 {
		parts = append(parts, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	parts = append(parts, digits)
	slices.Reverse(parts)
	text := strings.Join(parts, ",")
	if x < 0 {
		return "-" + text
	}
	return text
}

// amount is a quantity with its unit.
func amount(x float64, unit string) string {
	switch {
	case math.IsNaN(x):
		return "no number of " + unit
	case unit == "bytes":
		return size(x)
	case unit == "bytes a second":
		return size(x) + " a second"
	}
	return thousands(x) + " " + unit
}

// bound says what a quantity has to be.
func bound(b record.Bounds, unit string) string {
	switch {
	case b.Min != nil && b.Max != nil && *b.Min == *b.Max:
		return "exactly " + amount(*b.Min, unit)
	case b.Min != nil && b.Max != nil:
		return amount(*b.Min, unit) + " to " + amount(*b.Max, unit)
	case b.Min != nil:
		return "at least " + amount(*b.Min, unit)
	case b.Max != nil:
		return "at most " + amount(*b.Max, unit)
	}
	return "anything"
}

// within says whether a quantity lies in its bounds.
func within(m record.Measure) bool {
	return !math.IsNaN(m.Value) && (m.Min == nil || m.Value >= *m.Min) && (m.Max == nil || m.Value <= *m.Max)
}

var warned = regexp.MustCompile(`(?i)warning:|^\s*$|^wrote \d+/|terminating on signal`)

// expectedLine says that a line of stderr is none of a failure: empty, a warning, or what
// follows from what the scenario did.
func (f *Folder) expectedLine(line string) bool {
	r := f.Record
	return warned.MatchString(line) || (cancels(r) || pauses(r) || r.Fault != nil) && broken.MatchString(line)
}
