package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// ResultsFormat is the version of results.json. It grows when a member changes its meaning
// or goes away; members may be added.
const ResultsFormat = 1

// Results are what became of a run of many scenarios, as results.json has them.
type Results struct {
	Format  int       `json:"Format" jsonschema:"enum=1"`
	Started time.Time `json:"Started"`
	Seconds float64   `json:"Seconds" jsonschema:"minimum=0"`
	Passed  int       `json:"Passed" jsonschema:"minimum=0"`
	Failed  int       `json:"Failed" jsonschema:"minimum=0"`
	Unknown int       `json:"Unknown" jsonschema:"minimum=0"`
	Skipped int       `json:"Skipped" jsonschema:"minimum=0"`
	Runs    []Outline `json:"Runs"`
}

// An Outline is one run in few words.
type Outline struct {
	Scenario string         `json:"Scenario"`
	Arch     string         `json:"Arch"`
	QEMU     string         `json:"QEMU"` // version, or those of both sides: "7.2.22 to 10.0.13"; "" where none was started
	Outcome  record.Outcome `json:"Outcome" jsonschema:"enum=pass,enum=fail,enum=unknown,enum=skip"`
	Reason   string         `json:"Reason,omitempty"` // one sentence, where it isn't a pass
	Check    string         `json:"Check,omitempty"`  // that decided, where one failed
	Side     string         `json:"Side,omitempty"`   // that it failed on
	Part     string         `json:"Part,omitempty"`   // of QEMU or of the guest
	Seconds  float64        `json:"Seconds" jsonschema:"minimum=0"`
	Page     string         `json:"Page,omitempty"` // the run's, beside results.json
	// Of a migration that was completed, as the source reports it.
	TotalMS    int64                    `json:"TotalMS,omitempty"`
	DowntimeMS int64                    `json:"DowntimeMS,omitempty"`
	Passes     int64                    `json:"Passes,omitempty"`
	Bytes      uint64                   `json:"Bytes,omitempty"`
	Phases     map[record.Phase]float64 `json:"Phases,omitempty"` // seconds
}

// Outlined is a result in few words. QEMU says which it ran on, "" where the record is to
// tell; page is a path beside results.json, "" for none.
func Outlined(r *record.Result, scenario, qemu, page string) Outline {
	o := Outline{Scenario: scenario, Arch: r.Arch, QEMU: qemu, Outcome: r.Outcome, Reason: r.Reason, Seconds: r.Seconds, Page: page}
	facts := r.Record
	if facts == nil {
		return o
	}
	o.QEMU = cmp.Or(o.QEMU, plainVersions(facts))
	if explained(r) {
		if c := sortCauses(facts, r.Verdicts); c.first != nil {
			e := readFor(r).explain(*c.first)
			o.Reason, o.Check, o.Side, o.Part = clip(e.sentence, 400), c.first.Check, e.side, e.component
		}
	}
	if m := facts.Migration; m != nil {
		o.TotalMS, o.DowntimeMS, o.Passes, o.Bytes = m.TotalMS, m.DowntimeMS, m.Passes, m.Bytes
	}
	for _, s := range facts.Steps {
		if o.Phases == nil {
			o.Phases = map[record.Phase]float64{}
		}
		o.Phases[s.Phase] += s.Seconds
	}
	return o
}

// Add counts a run. It is not safe for concurrent use.
func (r *Results) Add(o Outline) {
	switch o.Outcome {
	case record.Pass:
		r.Passed++
	case record.Fail:
		r.Failed++
	case record.Skip:
		r.Skipped++
	default:
		r.Unknown++
	}
	r.Runs = append(r.Runs, o)
}

// settle puts the runs in order, and gives those that were skipped before a QEMU was started
// the QEMU of the others, where that is only one.
func (r *Results) settle() {
	qemus := r.qemus()
	for i := range r.Runs {
		if r.Runs[i].QEMU == "" && len(qemus) == 1 {
			r.Runs[i].QEMU = qemus[0]
		}
	}
	slices.SortStableFunc(r.Runs, func(a, b Outline) int {
		return cmp.Or(cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.QEMU, b.QEMU))
	})
}

// qemus are all that something ran on, in the order in which they came.
func (r *Results) qemus() (all []string) {
	for _, o := range r.Runs {
		if o.QEMU != "" && !slices.Contains(all, o.QEMU) {
			all = append(all, o.QEMU)
		}
	}
	return all
}

// JSON is results.json.
func (r *Results) JSON() ([]byte, error) {
	if r.Runs == nil {
		r.Runs = []Outline{}
	}
	text, err := json.MarshalIndent(r, "", "\t")
	return append(printable(text), '\n'), err
}

// Versions are those of both sides' QEMUs: "10.0.13", or "7.2.22 to 10.0.13".
func Versions(r *record.Record) string { return plainVersions(r) }

// plainVersions is versions without the name in front.
func plainVersions(r *record.Record) string {
	v := versions(r)
	if len(v) > len("QEMU ") {
		return v[len("QEMU "):]
	}
	return ""
}
