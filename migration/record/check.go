package record

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// An Outcome is what a check, or a whole run, comes to.
type Outcome string

const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Unknown Outcome = "unknown" // the facts to judge by are not there
	Skip    Outcome = "skip"    // the host or the QEMU lacks what it takes
	// NotApplicable is a check's alone: such a guest has nothing that it could judge.
	NotApplicable Outcome = "n/a"
)

// A Verdict is the outcome of one check, with one sentence of witness. The sentence may
// hold what a QEMU wrote: escape it to print it.
type Verdict struct {
	Check   string
	Outcome Outcome
	Witness string
}

// A Check judges a record.
type Check struct {
	Name string
	Doc  string // what holds where it passes
	Ends []Ending
	// Asked says whether the record calls for the check; nil means that each does.
	Asked func(r *Record) bool
	// Facts are what it judges: unknown where one is missing that the run was to gather.
	Facts []Fact
	// Events says that it reads QEMU's events: unknown where some are lost, or say something
	// that can't be read.
	Events bool
	// Judge is a pure function.
	Judge func(r *Record) (Outcome, string)
}

// Checks returns the standard checks, in the order in which they are judged.
// The first asks whether the run can be judged at all.
func Checks() []Check {
	moved, stayed := []Ending{OnDestination}, []Ending{OnSource}
	lived := []Ending{OnDestination, OnSource}
	both := []Fact{FactSource, FactDestination}
	migration := []Fact{FactSource, FactDestination, FactMigration}
	all := []Check{
		{"steps", "every step of the scenario did what its name says", endings(), nil, nil, false, judgeSteps},
		{"guest lives", "the workload's counter changes and its console brings a heartbeat", lived, nil, []Fact{FactLife, FactEarlierLives}, false, judgeLife},
		{"exactly one side runs", "the source stopped once, before the destination ran, and never ran again", moved, nil, append(both, FactStand), true, judgeOneSide},
		{"events", "the migration's statuses came in an order that they may have, on both sides", moved, nil, both, true, judgeSequence},
		{"reported", "what QEMU reports of the migration agrees with its events and with the link", moved, nil, append(migration, FactLink), true, judgeReported},
		{"counts", "what the source reports of RAM adds up", moved, nil, migration, true, judgeCounts},
		{"bandwidth", "no more went over the link than max-bandwidth allows", moved, calls(FactPaced), []Fact{FactPaced}, false, judgeBandwidth},
		{"failure", "a source whose migration failed reports why, and its destination never ran", stayed, nil, append(both, FactFailure), true, judgeFailure},
		{"fault", "a migration into which a fault was injected ends soon and reports why, and the guest's RAM is as it was", endings(), calls(FactFault), []Fact{FactSource, FactFault}, true, judgeFault},
		{"downtime", "the guest was paused as long as both sides, the console and the limit say", moved, (*Record).pausedByQEMU, append(migration, FactStandstill), true, judgeDowntime},
		{"quickest move", "a guest that moved several times was paused no longer than its pages take, at least once", moved, (*Record).movedOften, append(migration, FactWorkload), true, judgeQuickest},
		{"error messages", "no QEMU reported an error while the guest moved", moved, (*Record).wentStraight, both, true, judgeMessages},
		{"stopped guest is unchanged", "nothing changes on a destination that has been stopped", moved, nil, []Fact{FactStillness}, false, judgeStillness},
		{"workload", "the workload's invariant holds on every page, and all else in them is zero", moved, nil, []Fact{FactWorkload}, false, judgeWorkload},
		{"memory", "every byte of RAM outside the workload equals the source's", moved, nil, []Fact{FactMemory, FactWorkload}, false, judgeMemory},
		{"exact memory", "every byte of RAM was the same on both sides before the guest ran again", moved, calls(FactExact), []Fact{FactExact}, false, judgeExact},
		{"registers", "the vCPUs' registers were the same on both sides before the guest ran again", moved, calls(FactRegisters), []Fact{FactRegisters}, false, judgeRegisters},
		{"pulse", "all that the guest program counts went on, and it found nothing of its machine changed", lived, calls(FactPulse), []Fact{FactPulse}, false, judgePulse},
		{"measures", "what was measured lies within its bounds", endings(), calls(FactMeasures), []Fact{FactMeasures}, false, judgeMeasures},
		{"devices", "what was written to devices' registers on the source is in them where the guest is", lived, calls(FactDevices), []Fact{FactDevices}, false, judgeDevices},
		{"linux guest", "the guest booted once, has the vCPUs and drivers that it was to have, and all that it said came", lived, (*Record).isLinux, []Fact{FactLinux}, false, judgeLinux},
		{"clean end", "both QEMUs exit with status 0 when told to quit, and nothing is left", endings(), nil, []Fact{FactTeardown}, false, judgeEnd},
	}
	return append(all, workerChecks()...)
}

// isFor says whether the check is for runs that end so.
func (c Check) isFor(e Ending) bool { return slices.Contains(c.Ends, e) }

// Judge applies to the record, and to those of its legs, every check that its ending
// calls for. A check that panics is unknown, never passed.
func Judge(r *Record) []Verdict {
	var verdicts []Verdict
	for _, w := range ways(r) {
		for _, v := range w.verdicts {
			v.Check = w.prefix + v.Check
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// A way is one of a guest's from side to side: a leg, or the record itself.
type way struct {
	prefix   string // of its checks' names: "leg 1: "
	record   *Record
	verdicts []Verdict
}

// ways judges all that the record has, the record itself last.
func ways(r *Record) (all []way) {
	if r == nil {
		return []way{{record: &Record{}, verdicts: []Verdict{{"steps", Unknown, "there is no record"}}}}
	}
	for i, leg := range r.Legs {
		w := way{prefix: fmt.Sprintf("leg %d: ", i+1), record: &Record{}}
		switch {
		case leg == nil:
			w.verdicts = []Verdict{{"steps", Unknown, "the leg was not gathered"}}
		case len(leg.Legs) > 0:
			w.verdicts = []Verdict{{"steps", Unknown, "the leg has legs of its own, which no run's has"}}
		default:
			own := *leg
			own.isLeg, own.Ends = true, OnDestination
			if own.Host == nil {
				own.Host = r.Host
			}
			w.record, w.verdicts = &own, judgeWay(&own)
		}
		all = append(all, w)
	}
	return append(all, way{record: r, verdicts: judgeWay(r)})
}

func judgeWay(r *Record) (verdicts []Verdict) {
	own := *r
	own.Source, own.Destination = r.Source.readOnce(), r.Destination.readOnce()
	own.unfit = own.unfitEvents()
	r = &own
	if !slices.Contains(endings(), r.Ends) {
		return []Verdict{{"steps", Unknown, fmt.Sprintf("the record ends %q, and there is no such ending", r.Ends)}}
	}
	for _, c := range Checks() {
		if c.isFor(r.Ends) {
			if v, asked := c.apply(r); asked {
				verdicts = append(verdicts, v)
			}
		}
	}
	return verdicts
}

// apply judges the record if it calls for the check.
func (c Check) apply(r *Record) (v Verdict, asked bool) {
	v.Check = c.Name
	defer func() {
		if broken := recover(); broken != nil {
			asked, v.Outcome, v.Witness = true, Unknown, fmt.Sprintf("the check itself broke: %v", broken)
		}
		v.Witness = short(v.Witness)
	}()
	if c.Asked != nil && !c.Asked(r) {
		return v, false
	}
	if why := r.notApplicable(c.Name); why != "" {
		v.Outcome, v.Witness = NotApplicable, why
		return v, true
	}
	if lacks := r.missing(c.Facts); lacks != "" {
		v.Outcome, v.Witness = Unknown, lacks
		return v, true
	}
	if c.Events {
		if r.unfit != "" {
			v.Outcome, v.Witness = Unknown, r.unfit
			return v, true
		}
	}
	v.Outcome, v.Witness = c.Judge(r)
	if v.Outcome == Fail {
		v.Outcome, v.Witness = r.excused(c, v.Witness)
	}
	return v, true
}

// notApplicable is why a check has nothing to judge, "" where it has.
func (r *Record) notApplicable(check string) string {
	switch {
	case r.Replaced && slices.Contains([]string{"reported", "counts", "downtime"}, check):
		return "the source's process runs the destination, so nobody was there to report"
	case r.isLinux():
		return notForLinux()[check]
	}
	return ""
}

// excused is what a failed check comes to where something else than QEMU may be why.
func (r *Record) excused(c Check, witness string) (Outcome, string) {
	switch busy := r.outOfTime(); {
	case r.Unsure != "":
		return Unknown, witness + "; but " + r.Unsure
	case r.untried() && (c.Events || c.Name == "steps"):
		return Unknown, "it could not be tried: " + witness
	case busy != "" && c.Events: // what was to come did not come any more
		return Unknown, fmt.Sprintf("the host was too busy, and the run ended early (%s): %s", busy, witness)
	}
	return Fail, witness
}

// longestWitness bounds a sentence that may hold what a QEMU wrote, in bytes.
const longestWitness = 2000

func short(witness string) string {
	if len(witness) <= longestWitness {
		return witness
	}
	at := longestWitness
	for !utf8.RuneStart(witness[at]) && at > longestWitness-utf8.UTFMax {
		at--
	}
	return fmt.Sprintf("%s... (%d bytes)", witness[:at], len(witness))
}

// Worst is the outcome of a run: fail where any check failed, else unknown
// where any is unknown, else pass. A run without verdicts that say anything is unknown.
func Worst(verdicts []Verdict) Outcome {
	if len(verdicts) == 0 {
		return Unknown
	}
	worst, any := Pass, false
	for _, v := range verdicts {
		switch v.Outcome {
		case Fail:
			return Fail
		case NotApplicable:
			continue
		case Pass:
		default:
			worst = Unknown
		}
		any = true
	}
	if !any {
		return Unknown
	}
	return worst
}

func unknown(what string) (Outcome, string) { return Unknown, what + " was not gathered" }

func unsure(format string, args ...any) (Outcome, string) {
	return Unknown, fmt.Sprintf(format, args...)
}

func fail(format string, args ...any) (Outcome, string) { return Fail, fmt.Sprintf(format, args...) }

func pass(format string, args ...any) (Outcome, string) { return Pass, fmt.Sprintf(format, args...) }
