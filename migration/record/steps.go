package record

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// swapRoles is the step, by the names that it has had, after which the guest's way so far
// is a leg.
var swapRoles = []string{"turn around", "swap roles"}

// alone is the scenario, of those before runs said what they gather, that has no guest.
const alone = "deprecated"

func judgeSteps(r *Record) (Outcome, string) {
	if r.Error != "" {
		if r.outOfTime() != "" {
			return r.late("%s", r.Error)
		}
		return Fail, r.Error
	}
	if len(r.Steps) == 0 {
		return unknown("any step")
	}
	for i, s := range r.Steps {
		switch {
		case s.Error != "":
			return fail("%s: %s", s.Name, s.Error)
		case s.Name == "":
			return unsure("step %d has no name", i+1)
		}
	}
	switch swapped := r.swapped(); {
	case !r.isLeg && len(r.Steps) < r.Planned:
		return unsure("%d steps were taken of %d", len(r.Steps), r.Planned)
	case !r.isLeg && len(r.Legs) < swapped:
		return unsure("the guest moved %d times before, and %d legs were gathered", swapped, len(r.Legs))
	case r.Ends == NoGuest && (r.Migration != nil || r.Life != nil || r.Workload != nil):
		return unsure("the record is of a QEMU without a guest, and has facts of one")
	case r.Ends == NoGuest && r.Gathers == nil && r.Scenario != alone:
		return unsure("the record does not say what %q was to gather, and is of a QEMU without a guest", r.Scenario)
	}
	if lacks := r.missing(r.unjudged()); lacks != "" {
		return Unknown, lacks
	}
	if name, set, had := r.unlikeSet(); name != "" {
		return unsure("a step set %s to %s, and by the record it was %.60s in the end", name, set, had)
	}
	if r.Unsure != "" && r.Ends != OnDestination {
		return Unknown, r.Unsure
	}
	return pass("%d steps in %.2f s", len(r.Steps), r.Seconds)
}

// outOfTime is the evidence that the steps ended early for want of time, "" where they did not.
func (r *Record) outOfTime() string {
	if !slices.ContainsFunc(r.Steps, func(s StepFacts) bool { return s.Error != "" && s.Timed }) {
		return ""
	}
	return r.busy()
}

// untried says that a step could not be tried.
func (r *Record) untried() bool {
	return slices.ContainsFunc(r.Steps, func(s StepFacts) bool { return s.Error != "" && s.Untried })
}

// swapped is how often the guest moved before, by the steps.
func (r *Record) swapped() (n int) {
	for _, s := range r.Steps {
		if slices.Contains(swapRoles, s.Name) {
			n++
		}
	}
	for _, s := range r.Steps {
		n = max(n, s.Legs)
	}
	return n
}

// begins is the step with which the last way begins.
func (r *Record) begins() (first int) {
	legs := 0
	for i, s := range r.Steps {
		if slices.Contains(swapRoles, s.Name) || s.Legs > legs {
			first = i + 1
		}
		legs = max(legs, s.Legs)
	}
	return first
}

// unjudged are the facts that no check judges which the record calls for.
func (r *Record) unjudged() (facts []Fact) {
	var judged []Fact
	for _, c := range Checks() {
		if c.isFor(r.Ends) && (c.Asked == nil || c.Asked(r)) {
			judged = append(judged, c.Facts...)
		}
	}
	return slices.DeleteFunc(Facts(), func(f Fact) bool { return slices.Contains(judged, f) })
}

// setting is the name of a step that sets a migration parameter: of the source's, or both
// sides'.
var setting = regexp.MustCompile(`^(?:both: |source: )?set (\S+) (?:to )?(\S+)(?: on both)?$`)

// unlikeSet is the first parameter that is not in the record as the last step to set it
// did: its name, what it was set to, and what the record has.
func (r *Record) unlikeSet() (name, set, had string) {
	last, order := map[string]string{}, []string{}
	for _, s := range r.Steps[r.begins():] {
		if found := setting.FindStringSubmatch(s.Name); found != nil {
			last[found[1]] = found[2]
			order = append(order, found[1])
		}
	}
	for _, name := range order {
		value, there := r.Parameters[name]
		if !there {
			return name, last[name], "not set"
		}
		if !sameSetting(last[name], value) {
			return name, last[name], string(value)
		}
	}
	return "", "", ""
}

// sameSetting says whether a parameter is what a step's name says, as far as can be told.
func sameSetting(step string, value json.RawMessage) bool {
	want := step
	if d, err := time.ParseDuration(step); err == nil && step != "0" {
		want = strconv.FormatInt(d.Milliseconds(), 10)
	}
	if size := sizeForm.FindStringSubmatch(want); size != nil {
		x, _ := strconv.ParseFloat(size[1], 64)
		want = strconv.FormatFloat(x*sizeUnits[size[2]], 'f', -1, 64)
	}
	var number float64
	if expected, err := strconv.ParseFloat(want, 64); err == nil {
		return json.Unmarshal(value, &number) == nil && string(value) != "null" && number == expected
	}
	if truth, ok := map[string]string{"true": "true", "on": "true", "false": "false", "off": "false"}[want]; ok {
		return string(value) == truth
	}
	var text string
	return json.Unmarshal(value, &text) == nil && (text == want || !wordOnly.MatchString(want))
}

// sizeForm is a size or a rate as scenario files write it: 256MiB, 1GB/s.
var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(kB|MB|GB|KiB|MiB|GiB)(?:/s)?$`)

var sizeUnits = map[string]float64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// wordOnly is a value that is written one way only.
var wordOnly = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
