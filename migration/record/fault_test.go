package record

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMigrationWithAFaultIsJudged: each record has one thing wrong with what became of a
// migration into which a fault was injected, or with what need not be there left out.
func TestMigrationWithAFaultIsJudged(t *testing.T) {
	for _, c := range []struct {
		what    string
		doctor  func(r *Record)
		outcome Outcome
		witness []string
	}{
		{"nothing", func(*Record) {}, Pass, []string{"failed within 0.10 s of being cut", "Broken pipe"}},
		{"it fails twice", func(r *Record) {
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "failed"))
		}, Fail, []string{"reported failed twice"}},
		{"a channel of it fails, and it", func(r *Record) {
			r.Fault.Twice = true
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "failed"))
		}, Pass, nil},
		{"it fails again at the second attempt", func(r *Record) {
			r.Source.Events = slices.Insert(r.Source.Events, 0, status(r.Fault.At, "failed"), status(r.Fault.At, "setup"), status(r.Fault.At, "failed"))
		}, Pass, nil},
		{"it need not say why", func(r *Record) { r.Fault.Desc, r.Fault.Unnamed = "", true }, Pass, []string{"no reason is reported"}},
		{"it need not say why, and is late", func(r *Record) {
			r.Fault.Unnamed, r.Fault.Noticed = true, r.Fault.At.Add(6*time.Second)
		}, Fail, []string{"only 6.0 s after it was cut"}},
		{"it is late on a slow host", func(r *Record) {
			r.Host, r.Fault.Noticed = &HostFacts{Slowdown: 2}, r.Fault.At.Add(6*time.Second)
		}, Pass, nil},
		{"it was noticed a moment before anybody looked at the clock", func(r *Record) {
			r.Fault.Noticed = r.Fault.At.Add(-3 * time.Millisecond)
		}, Pass, []string{"within 0.00 s"}},
		{"the guest died with its destination", func(r *Record) { r.Ends, r.Fault.RAM = Lost, nil }, Pass, nil},
		{"the guest went on in postcopy", func(r *Record) {
			r.Fault.RAM, r.Fault.Status = nil, "postcopy-paused"
			r.Source.Events = append(r.Source.Events, status(r.Fault.Noticed, "postcopy-paused"))
		}, Pass, nil},
	} {
		r := faulty()
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
	r := faulty()
	r.Ends, r.Fault.Desc = Lost, ""
	verdicts := Judge(r)
	require.True(t, slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Check == "fault" && v.Outcome == Fail }))
	require.False(t, slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Check == "guest lives" }))
	r.Fault = nil
	require.Equal(t, Unknown, Judged(r).Outcome, "nobody knows what was done to it")
}
