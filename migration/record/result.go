package record

import (
	"fmt"
	"slices"
	"strings"
)

// A Result is what became of one run.
type Result struct {
	Scenario string
	Arch     string
	Outcome  Outcome
	Reason   string `json:",omitempty"` // one sentence, where it isn't a pass
	Dir      string `json:",omitempty"` // the artifacts, where they were kept
	Seconds  float64
	Verdicts []Verdict `json:",omitempty"`
	Record   *Record   `json:",omitempty"`
}

// Judged returns the result that a record comes to.
func Judged(r *Record) *Result {
	result := &Result{Scenario: r.Scenario, Arch: r.Arch, Seconds: r.Seconds, Record: r}
	result.Judge()
	return result
}

// Judge applies the checks to the result's record.
func (r *Result) Judge() {
	r.Verdicts = Judge(r.Record)
	r.Outcome = Worst(r.Verdicts)
	r.Reason = reason(r.Verdicts)
	if bug := r.Record.KnownBug; bug != "" && r.Outcome == Fail && sawLoss(r.Verdicts) {
		r.Outcome, r.Reason = Skip, bug+", and did: "+r.Reason
	}
}

// sawLoss says whether the first check that fails is one of the guest and its RAM.
func sawLoss(verdicts []Verdict) bool {
	for _, v := range verdicts {
		if v.Outcome == Fail {
			_, check, ofLeg := strings.Cut(v.Check, ": ")
			if !ofLeg {
				check = v.Check
			}
			return slices.Contains([]string{"guest lives", "workload", "memory", "exact memory"}, check)
		}
	}
	return false
}

// Name is the scenario's name with its target in front, as in names of tests.
func (r *Result) Name() string { return r.Arch + "/" + r.Scenario }

// Err returns nil for a pass or a skip, else an error with the reason.
func (r *Result) Err() error {
	if r.Outcome == Pass || r.Outcome == Skip {
		return nil
	}
	return fmt.Errorf("%s: %s: %s", r.Name(), r.Outcome, r.Reason)
}

// reason picks the witness of the verdict that counts.
func reason(verdicts []Verdict) string {
	worst := Worst(verdicts)
	if worst == Pass {
		return ""
	}
	for _, v := range verdicts {
		if v.Outcome == worst {
			return v.Check + ": " + v.Witness
		}
	}
	return "there was nothing to judge"
}
