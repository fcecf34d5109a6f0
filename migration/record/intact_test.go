package record

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestInjuredMigrationIsJudged: each record has one thing wrong with what became of a
// migration that was injured, or with what need not be there left out.
func TestInjuredMigrationIsJudged(t *testing.T) {
	for _, c := range []struct {
		what    string
		doctor  func(r *Record)
		outcome Outcome
		witness []string
	}{
		{"nothing", func(*Record) {}, Pass, []string{"failed within 0.10 s of being cut", "Broken pipe"}},
		{"it fails twice", func(r *Record) {
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "failed"))
		}, Fail, []string{"said failed twice"}},
		{"a channel of it fails, and it", func(r *Record) {
			r.Fault.Twice = true
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "failed"))
		}, Pass, nil},
		{"it fails again at the second attempt", func(r *Record) {
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "setup"), status(r.Fault.At, "failed"))
		}, Pass, nil},
		{"it need not say why", func(r *Record) { r.Fault.Desc, r.Fault.Unnamed = "", true }, Pass, []string{"does not say why"}},
		{"it need not say why, and is late", func(r *Record) {
			r.Fault.Unnamed, r.Fault.Noticed = true, r.Fault.At.Add(6*time.Second)
		}, Fail, []string{"only 6.0 s after it was cut"}},
		{"the guest died with its destination", func(r *Record) { r.Fault.RAM = nil }, Pass, nil},
	} {
		r := good()
		c.doctor(r)
		outcome, witness := judgeFault(r)
		require.Equal(t, c.outcome, outcome, "%s: %s", c.what, witness)
		for _, words := range c.witness {
			require.Contains(t, witness, words, c.what)
		}
	}
}

// TestLostGuestIsJudged: a guest that died with the destination is judged by what was
// done to it, and not by where it runs.
func TestLostGuestIsJudged(t *testing.T) {
	r := good()
	r.Ends, r.Fault.Desc = Lost, ""
	verdicts := Judge(r)
	require.True(t, slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Check == "fault" && v.Outcome == Fail }))
	require.False(t, slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Check == "guest lives" }))
}
