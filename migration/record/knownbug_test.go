package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// lost is a record of a guest that lost what it wrote to its hot pages, and whose run
// claims that this is known.
func lost() *Record {
	r := hot()
	r.KnownBug = "whatever"
	r.Workload.Runs = []Run{{1 << 20, 21, 202}, {1<<20 + 21*4096, HotPages - 21, 108}}
	r.Exact.DifferentTotal, r.Exact.Different = HotPages, []Difference{{1 << 20, 202, 201}}
	return r
}

func TestLossThatAQEMUIsKnownForIsASkipThatSaysWhatWasLost(t *testing.T) {
	result := Judged(lost())
	require.Equal(t, Skip, result.Outcome, result.Reason)
	require.Equal(t, "QEMU 7.2.22 has a known bug, fixed in 9.0: under TCG it loses writes to pages that the guest writes all the time, and did: "+
		"workload: the byte at 0x100000 is wrong: expected 108, found 202; 21 of 64 pages are wrong", result.Reason)
	require.NoError(t, result.Err())

	leg := lost()
	leg.KnownBug = ""
	last := hot()
	last.KnownBug, last.Legs = "whatever", []*Record{leg}
	require.Contains(t, Judged(last).Reason, "and did: leg 1: workload")
	require.Equal(t, Skip, Judged(last).Outcome)

	spared := hot()
	spared.KnownBug = "whatever"
	require.Equal(t, Pass, Judged(spared).Outcome)
}

// TestKnownBugIsOneThatTheFactsShow: that a record says so changes nothing.
func TestKnownBugIsOneThatTheFactsShow(t *testing.T) {
	for what, doctor := range map[string]func(r *Record){
		"a text of one's own":        func(r *Record) { *r = *good(); r.KnownBug = "QEMU has a bug"; r.Memory.DifferentTotal = 5 },
		"a QEMU that is mended":      func(r *Record) { r.Source.Version = "9.0.0" },
		"a QEMU without a version":   func(r *Record) { r.Source.Version = "" },
		"a version that is none":     func(r *Record) { r.Source.Version = "-7.2" },
		"another accelerator":        func(r *Record) { r.Accel = "kvm: as asked for" },
		"an accelerator much like":   func(r *Record) { r.Accel = "tcg,thread=single: as asked for" },
		"a workload that is not hot": func(r *Record) { r.Workload, r.Memory = good().Workload, good().Memory; r.Workload.Runs[0].Value = 99 },
		"a run that claims nothing":  func(r *Record) { r.KnownBug = "" },
		"RAM that nobody wrote":      func(r *Record) { r.Exact.Different = append(r.Exact.Different, Difference{0x95fffff, 1, 2}) },
		"RAM that nobody listed":     func(r *Record) { r.Exact.Different = nil },
		"RAM outside the workload":   func(r *Record) { r.Memory.Different = []Difference{{0x95fffff, 1, 2}} },
		"a guest that is paused":     func(r *Record) { r.Life.Running = false },
		"a device as well":           func(r *Record) { r.Devices[0].Found = 0 },
		"a fact that is missing":     func(r *Record) { r.Stillness = nil },
		"a step that failed":         func(r *Record) { r.Error = "it is gone" },
	} {
		r := lost()
		doctor(r)
		require.Equal(t, Fail, Judged(r).Outcome, "%s: %s", what, Judged(r).Reason)
	}
}

func TestKnownBugKnowsVersionAccelAndGuest(t *testing.T) {
	const what = ": under TCG it loses writes to pages that the guest writes all the time"
	require.Equal(t, "QEMU 5.2.0 has a known bug, fixed in 9.0"+what, KnownBug("5.2.0", "tcg", true))
	require.Equal(t, "QEMU 8.2.1 has a known bug, fixed in 9.0"+what, KnownBug("8.2.1", "tcg: the default", true))
	require.Empty(t, KnownBug("9.0.0", "tcg", true))
	require.Empty(t, KnownBug("10.0.13", "tcg", true))
	require.Empty(t, KnownBug("7.2.22", "kvm", true))
	require.Empty(t, KnownBug("7.2.22", "tcg", false))
	require.Empty(t, KnownBug("much", "tcg", true))
	require.Empty(t, KnownBugOf(nil))
	require.Empty(t, KnownBugOf(&Record{}))

	ppc := &Record{Arch: "ppc64", Accel: "tcg: the default", Source: &SideFacts{Version: "7.2.22"}}
	require.NotEmpty(t, KnownBugOf(ppc), "its firmware is hot")
}
