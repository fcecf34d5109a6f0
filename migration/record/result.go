package record

import (
	"fmt"

	"github.com/drover-vm/drover/internal/plain"
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

// Judged returns the result that a record comes to, which is unknown without a record.
func Judged(r *Record) *Result {
	result := &Result{Record: r}
	if r != nil {
		result.Scenario, result.Arch, result.Seconds = r.Scenario, r.Arch, r.Seconds
	}
	result.Judge()
	return result
}

// Judge applies the checks to the result's record. A run that failed only for a known bug
// of its QEMU is a skip that says what was lost.
func (r *Result) Judge() {
	all := ways(r.Record)
	r.Verdicts = nil
	for _, w := range all {
		for _, v := range w.verdicts {
			v.Check = w.prefix + v.Check
			r.Verdicts = append(r.Verdicts, v)
		}
	}
	r.settle()
	if r.Outcome != Fail {
		return
	}
	if bug := r.Record.knownLoss(all); bug != "" {
		r.Outcome, r.Reason = Skip, bug+", and did: "+r.Reason
	}
}

// Doubt adds a verdict of unknown, from whoever knows something that the record doesn't:
// a run that would have passed, or been skipped, is unknown then.
func (r *Result) Doubt(check, witness string) {
	r.Verdicts = append(r.Verdicts, Verdict{check, Unknown, short(witness)})
	if r.Outcome == Pass || r.Outcome == Skip {
		r.Outcome, r.Reason = Unknown, check+": "+short(witness)
	}
}

func (r *Result) settle() {
	r.Outcome = Worst(r.Verdicts)
	r.Reason = reason(r.Verdicts)
}

// Name is the scenario's name with its target in front, as in names of tests. Both stand in
// a record as anybody may have written them: escape them to print them.
func (r *Result) Name() string { return r.Arch + "/" + r.Scenario }

// Err returns nil for a pass or a skip, else an error with the reason.
func (r *Result) Err() error {
	if r.Outcome == Pass || r.Outcome == Skip {
		return nil
	}
	return fmt.Errorf("%s: %s: %s", plain.Text(r.Name()), r.Outcome, plain.Text(r.Reason))
}

// TooBusy reports whether the run could not be judged, and its host had too little time for it:
// on a quiet one it may be run again.
func (r *Result) TooBusy() bool {
	return r.Outcome == Unknown && r.Record != nil && r.Record.busy() != ""
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
