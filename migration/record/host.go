package record

import (
	"fmt"
	"math"
	"strings"
)

// HostFacts are how fast the host was while the run lasted.
type HostFacts struct {
	// Slowdown is by how much things took longer than they should: 1 is as expected, 0
	// that nobody measured it.
	Slowdown float64
	// StoppedSeconds is the time in which drover itself did not run: it was stopped, or the
	// host was suspended.
	StoppedSeconds float64
	// LoadBefore and LoadAfter are the host's load averages over a minute.
	LoadBefore, LoadAfter float64
	CPUs                  int // that the run may use; 0 where that is not known
	// CutShort is how many waits ended at the most that a busy host is given, before they
	// had their time by its measured slowdown.
	CutShort int `json:",omitempty"`
}

// What a host is taken for busy from. A run itself is a load of about 2.
const (
	slowFrom    = 1.25
	slowestReal = 100.0 // a KVM that is itself emulated is 40 times slower than TCG
	stoppedFrom = 0.1   // s
	loadPerCPU  = 2
	loadOfRun   = 2
)

// absurd is what can't be true of a host, "" for nothing.
func (h *HostFacts) absurd() string {
	for _, f := range []struct {
		name  string
		value float64
		most  float64
	}{
		{"Slowdown", h.Slowdown, slowestReal},
		{"StoppedSeconds", h.StoppedSeconds, math.MaxInt32},
		{"LoadBefore", h.LoadBefore, math.MaxInt32},
		{"LoadAfter", h.LoadAfter, math.MaxInt32},
		{"CPUs", float64(h.CPUs), math.MaxInt32},
		{"CutShort", float64(h.CutShort), math.MaxInt32},
	} {
		if !(f.value >= 0 && f.value <= f.most) { // NaN is neither
			return fmt.Sprintf("a %s of %g", f.name, f.value)
		}
	}
	return ""
}

// Stretch is by how much a time may be longer on such a host than on one that is as fast as
// expected: 1 on that one, and where nothing is known (nil) or nothing can be believed.
func (h *HostFacts) Stretch() float64 {
	if h == nil || h.absurd() != "" || h.Slowdown < slowFrom {
		return 1
	}
	return h.Slowdown
}

// stretch is that of the run's host.
func (r *Record) stretch() float64 { return r.Host.Stretch() }

// allow is the tolerance's value on the run's host.
func (r *Record) allow(t Tolerance) float64 {
	if t.Load {
		return t.Value * r.stretch()
	}
	return t.Value
}

// busy is the evidence that the host kept the run from being judged by the clock; "" where
// it did not.
func (r *Record) busy() string {
	h := r.Host
	if h == nil {
		return ""
	}
	if wrong := h.absurd(); wrong != "" {
		return "the record says that it had " + wrong
	}
	var evidence []string
	if h.Slowdown >= slowFrom {
		evidence = append(evidence, fmt.Sprintf("it was %.1f times as slow as expected", h.Slowdown))
	}
	if h.StoppedSeconds >= stoppedFrom {
		evidence = append(evidence, fmt.Sprintf("drover did not run for %.1f s", h.StoppedSeconds))
	}
	if load := max(h.LoadBefore, h.LoadAfter); h.CPUs > 0 && load > float64(loadPerCPU*h.CPUs+loadOfRun) {
		evidence = append(evidence, fmt.Sprintf("its load was %.1f on %d CPUs", load, h.CPUs))
	}
	if h.CutShort > 0 {
		evidence = append(evidence, fmt.Sprintf("%d waits ended before they had their time", h.CutShort))
	}
	return strings.Join(evidence, ", ")
}

// cutShort is the verdict on what a wait should have brought: fail, and unknown where a wait
// of this run ended before it had its time.
func (r *Record) cutShort(format string, args ...any) (Outcome, string) {
	if r.Host != nil && r.Host.CutShort > 0 {
		return r.late(format, args...)
	}
	return fail(format, args...)
}

// late is the verdict on what took longer than a busy host explains: fail, and unknown
// where the host was busy.
func (r *Record) late(format string, args ...any) (Outcome, string) {
	if why := r.busy(); why != "" {
		return Unknown, fmt.Sprintf("the host was too busy to tell (%s): ", why) + fmt.Sprintf(format, args...)
	}
	return fail(format, args...)
}
