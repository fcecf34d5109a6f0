package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// causes sort a run's verdicts: what went wrong first, what else did, and what only follows.
type causes struct {
	first  *record.Verdict // nil where nothing failed and nothing is unknown
	also   []record.Verdict
	follow []record.Verdict // they fail because the run stopped early, or did what the scenario wants
	passed []record.Verdict
	absent []record.Verdict // unknown, for the run stopped before them
	unsure []record.Verdict // unknown for another reason
}

// rank is the order in which checks explain each other: what stands first is the cause of
// what fails behind it.
var rank = []string{
	"steps", "guest lives", "fault", "exactly one side runs", "workload", "exact memory", "memory", "registers", "devices", "pulse",
	"stopped guest is unchanged", "measures", "failure", "downtime", "quickest move", "counts", "reported", "bandwidth", "events",
	"error messages", "clean end",
}

// splitCheck divides the name of a check into that of its leg and its own.
func splitCheck(name string) (leg, check string) {
	if i := strings.Index(name, ": "); i >= 0 && strings.HasPrefix(name, "leg ") {
		return name[:i], name[i+2:]
	}
	return "", name
}

func ranked(v record.Verdict) int {
	_, check := splitCheck(v.Check)
	if i := slices.Index(rank, check); i >= 0 {
		return i
	}
	return len(rank)
}

// sortCauses is a pure function of the verdicts and of what the scenario did.
func sortCauses(r *record.Record, verdicts []record.Verdict) (c causes) {
	early := r.Error != ""
	var failed []record.Verdict
	for _, v := range verdicts {
		switch {
		case v.Outcome == record.Pass, v.Outcome == record.NotApplicable:
			c.passed = append(c.passed, v)
		case v.Outcome == record.Unknown && early && notGathered(v.Witness):
			c.absent = append(c.absent, v)
		case v.Outcome == record.Unknown:
			c.unsure = append(c.unsure, v)
		case early && stoppedEarly(v), causedByScenario(r, v):
			c.follow = append(c.follow, v)
		default:
			failed = append(failed, v)
		}
	}
	slices.SortStableFunc(failed, func(a, b record.Verdict) int { return ranked(a) - ranked(b) })
	for i := len(failed) - 1; i > 0; i-- { // what says the same as the first
		if strings.Contains(failed[0].Witness, failed[i].Witness) {
			c.follow = append(c.follow, failed[i])
			failed = slices.Delete(failed, i, i+1)
		}
	}
	switch {
	case len(failed) > 0:
		c.first, c.also = &failed[0], failed[1:]
	case len(c.follow) > 0: // nothing else explains the outcome
		c.first, c.follow = &c.follow[0], c.follow[1:]
	case len(c.unsure) > 0:
		c.first, c.unsure = &c.unsure[0], c.unsure[1:]
	case len(c.absent) > 0:
		c.first, c.absent = &c.absent[0], c.absent[1:]
	}
	return c
}

// notGathered says that a check had nothing to judge.
func notGathered(witness string) bool {
	return strings.Contains(witness, "which the run was to gather") || strings.HasSuffix(witness, "was not gathered")
}

// unfinished is how checks say that something has not come yet.
var unfinished = regexp.MustCompile(`last migration status is|stopped 0 times|resumed 0 times|has no statuses|no MIGRATION|none of its events|when told to quit`)

// stoppedEarly says that a check failed for the migration was not over when the run ended.
func stoppedEarly(v record.Verdict) bool {
	switch _, check := splitCheck(v.Check); check {
	case "events", "exactly one side runs", "reported", "failure", "clean end", "error messages":
		return unfinished.MatchString(v.Witness)
	}
	return false
}

// broken is what a QEMU writes to stderr when its peer goes away.
var broken = regexp.MustCompile(`(?i)broken pipe|connection reset|unable to (?:write|read)|channel error|load of migration failed|input/output error|not a migration stream|unable to shutdown|error while loading|failed to receive|unexpected end-of-file|cancel|software caused connection abort|premature|detected io failure|section.footer|transport endpoint`)

// causedByScenario says that a check failed over what the scenario did itself: it cancelled
// the migration, or broke its link.
func causedByScenario(r *record.Record, v record.Verdict) bool {
	_, check := splitCheck(v.Check)
	switch {
	case check == "error messages":
		return (cancels(r) || r.Fault != nil || pauses(r)) && broken.MatchString(v.Witness)
	case check == "events":
		return cancels(r) && strings.Contains(v.Witness, "cancelling")
	}
	return false
}

// tookStep says whether the run took a step whose name the function likes.
func tookStep(r *record.Record, likes func(name string) bool) bool {
	return slices.ContainsFunc(r.Steps, func(s record.StepFacts) bool { return likes(s.Name) })
}

func cancels(r *record.Record) bool {
	return tookStep(r, func(name string) bool { return strings.Contains(name, "migrate_cancel") })
}

func pauses(r *record.Record) bool {
	return tookStep(r, func(name string) bool { return strings.Contains(name, "migrate-pause") })
}

// failedStep is the step in which the run ended, nil where it went through.
func failedStep(r *record.Record) *record.StepFacts {
	for i := range r.Steps {
		if r.Steps[i].Error != "" {
			return &r.Steps[i]
		}
	}
	return nil
}
