package record

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A doctored record is a good one with one thing made wrong, for each check at least
// one. The witness has to name what is wrong.
type doctored struct {
	check   string
	what    string
	from    func() *Record // nil for good
	doctor  func(r *Record)
	outcome Outcome
	witness []string
}

func allDoctored() []doctored {
	return slices.Concat(doctoredGuests(), doctoredFaults(), doctoredReports(), doctoredCounts(), doctoredDowntimes(), doctoredMemories(), doctoredPulses(), doctoredShared(), doctoredTides(), doctoredRest(), doctoredLinux())
}

func (d doctored) record() *Record {
	r := good()
	if d.from != nil {
		r = d.from()
	}
	d.doctor(r)
	return r
}

// TestDoctoredRecordFailsItsCheck: and it is that check which gives the reason.
func TestDoctoredRecordFailsItsCheck(t *testing.T) {
	for _, d := range allDoctored() {
		t.Run(d.check+"/"+d.what, func(t *testing.T) {
			r := d.record()
			reached := false
			for _, v := range Judge(r) {
				if v.Check != d.check {
					require.True(t, reached || v.Outcome == Pass || v.Outcome == NotApplicable, "%s: %s", v.Check, v.Witness)
					continue
				}
				reached = true
				require.Equal(t, d.outcome, v.Outcome, v.Witness)
				for _, word := range d.witness {
					require.Contains(t, v.Witness, word)
				}
			}
			require.True(t, reached, "the check was not asked")
			require.ErrorContains(t, Judged(r).Err(), d.check)
		})
	}
}

// Those that read events are unknown together where events are unfit.
func TestEveryCheckHasARecordThatFailsItAndOneThatLeavesItUnknown(t *testing.T) {
	for _, c := range Checks() {
		for _, outcome := range []Outcome{Fail, Unknown} {
			if outcome == Unknown && c.Events {
				continue
			}
			require.True(t, slices.ContainsFunc(allDoctored(), func(d doctored) bool {
				return d.check == c.Name && d.outcome == outcome
			}), "no doctored record comes to %s for the check %q", outcome, c.Name)
		}
	}
}
