package record

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
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

// TestFirmwareThatLostItsStacksWritesAnywhere: only where it has died of it.
func TestFirmwareThatLostItsStacksWritesAnywhere(t *testing.T) {
	dead := func() *Record {
		r := good()
		r.Arch, r.Accel, r.Source.Version, r.KnownBug = "ppc64", "tcg: the default", "7.2.22", "whatever"
		r.Memory.Left = r.program().Scratch
		r.Life.After = r.Life.Before
		r.Memory.DifferentTotal, r.Memory.Different = 1, []Difference{{0x6400000, 0, 1}}
		return r
	}
	require.Equal(t, Skip, Judged(dead()).Outcome, Judged(dead()).Reason)
	// What was to be gathered after a wait that a busy host has ended did not come any more.
	late := dead()
	late.Error, late.Memory, late.Workload = "timed out", nil, nil
	late.Steps = append(late.Steps, StepFacts{Name: "check that the destination runs", Error: "timed out", Timed: true})
	late.Host = &HostFacts{Slowdown: 5, CutShort: 1}
	require.Equal(t, Skip, Judged(late).Outcome, Judged(late).Reason)
	late.Host = nil
	require.Equal(t, Fail, Judged(late).Outcome, "nothing ended the wait but its end")
	for what, doctor := range map[string]func(r *Record){
		"a guest that lives":     func(r *Record) { r.Life.After = good().Life.After },
		"a guest that is paused": func(r *Record) { r.Life.Running, r.Life.Status = false, "paused" },
		"nobody looked":          func(r *Record) { r.Life = nil },
		"a QEMU that is mended":  func(r *Record) { r.Source.Version = "9.0.0" },
		"no firmware's program":  func(r *Record) { r.Arch, r.Program, r.Memory.Left = "x86_64", "", good().Memory.Left },
	} {
		r := dead()
		doctor(r)
		require.Equal(t, Fail, Judged(r).Outcome, "%s: %s", what, Judged(r).Reason)
	}
}

func TestKnownBugKnowsVersionAccelAndGuest(t *testing.T) {
	known := func(arch, version, accel string, hot bool, gathers ...Fact) string {
		return KnownBug(&Record{Arch: arch, Accel: accel, Source: &SideFacts{Version: version}, Gathers: gathers}, hot)
	}
	const what = ": under TCG it loses writes to pages that the guest writes all the time"
	require.Equal(t, "QEMU 5.2.0 has a known bug, fixed in 9.0"+what, known("x86_64", "5.2.0", "tcg", true))
	require.Equal(t, "QEMU 8.2.1 has a known bug, fixed in 9.0"+what, known("x86_64", "8.2.1", "tcg: the default", true))
	require.Empty(t, known("x86_64", "9.0.0", "tcg", true))
	require.Empty(t, known("x86_64", "10.0.13", "tcg", true))
	require.Empty(t, known("x86_64", "7.2.22", "kvm", true))
	require.Empty(t, known("x86_64", "7.2.22", "tcg", false))
	require.Empty(t, known("x86_64", "much", "tcg", true))
	require.Empty(t, KnownBugOf(nil))
	require.Empty(t, KnownBugOf(&Record{}))

	ppc := &Record{Arch: "ppc64", Accel: "tcg: the default", Source: &SideFacts{Version: "7.2.22"}}
	require.NotEmpty(t, KnownBugOf(ppc), "its firmware is hot")

	const conditionCode = " has a known bug: under TCG the condition code of a vCPU does not arrive"
	require.Equal(t, "QEMU 11.1.3"+conditionCode, known("s390x", "11.1.3", "tcg", false, FactRegisters))
	require.Equal(t, "QEMU 7.2.22 has a known bug, fixed in 9.0"+what+", and"+conditionCode, known("s390x", "7.2.22", "tcg", true, FactRegisters))
	require.Empty(t, known("s390x", "11.1.3", "tcg", false), "nobody looks at registers")
	require.Empty(t, known("s390x", "12.0.0", "tcg", false, FactRegisters), "a new one shows itself")
	require.Empty(t, known("s390x", "11.1.3", "kvm", false, FactRegisters))

	const enable = " has a known bug: under TCG the bit ME of a vCPU's MSR does not arrive"
	require.Equal(t, "QEMU 9.0.0"+enable, known("ppc64", "9.0.0", "tcg", false, FactRegisters))
	require.Equal(t, "QEMU 11.1.3"+enable, known("ppc64", "11.1.3", "tcg", false, FactRegisters))
	require.Empty(t, known("ppc64", "8.2.0", "tcg", false, FactRegisters))

	const keys = " has a known bug, fixed in 7.0: of what waits in the PS/2 keyboard's queue, the bytes behind its turn do not arrive"
	require.Equal(t, "QEMU 5.2.0"+keys, known("x86_64", "5.2.0", "kvm", false, FactPulse))
	require.Empty(t, known("x86_64", "7.2.22", "kvm", false, FactPulse))
	require.Empty(t, known("x86_64", "5.2.0", "kvm", false))

	require.True(t, MissesHotWrites(ppc, true))
	ppc.Source.Version = "11.1.3"
	require.False(t, MissesHotWrites(ppc, true))
}

// lostBit is a record of a guest whose vCPU has lost a bit, and whose run claims that this is
// known.
func lostBit(arch, difference string) *Record {
	r := good()
	r.Arch, r.Accel, r.Source.Version, r.KnownBug = arch, "tcg: the default", "11.1.3", "whatever"
	r.Gathers = append(r.Gathers, FactRegisters)
	r.Registers.Different = []string{difference}
	return r
}

func TestBitOfARegisterThatAQEMUIsKnownToLoseIsASkip(t *testing.T) {
	const (
		psw = "the source has CPU#0 PSW=mask0000100180000000addr00000000000020d6, the destination mask%saddr%s"
		msr = "the source has CPU#0 MSR=8000000000003000HID00000000000000000HF6c002000iidx3didx3, the destination %sHID%s"
	)
	const same, rest = "00000000000020d6", "00000000000000000HF6c002000iidx3didx3"
	for what, c := range map[string]struct {
		record *Record
		known  bool
	}{
		"a condition code":                {lostBit("s390x", fmt.Sprintf(psw, "0000000180000000", same)), true},
		"another condition code":          {lostBit("s390x", fmt.Sprintf(psw, "0000200180000000", same)), false},
		"a bit beside the condition code": {lostBit("s390x", fmt.Sprintf(psw, "0000000080000000", same)), false},
		"the address as well":             {lostBit("s390x", fmt.Sprintf(psw, "0000000180000000", "00000000000020da")), false},
		"another register":                {lostBit("s390x", "the source has CPU#0 R01=0, the destination 1"), false},
		"a condition code of ppc64":       {lostBit("ppc64", fmt.Sprintf(psw, "0000000180000000", same)), false},
		"ME":                              {lostBit("ppc64", fmt.Sprintf(msr, "8000000000002000", rest)), true},
		"another bit of MSR":              {lostBit("ppc64", fmt.Sprintf(msr, "8000000000001000", rest)), false},
		"what is behind MSR":              {lostBit("ppc64", fmt.Sprintf(msr, "8000000000002000", "0")), false},
	} {
		result := Judged(c.record)
		want := Fail
		if c.known {
			want = Skip
		}
		require.Equal(t, want, result.Outcome, "%s: %s", what, result.Reason)
	}
}

func TestBytesOfTheKeyboardThatAQEMUIsKnownToLoseAreASkip(t *testing.T) {
	edit := func(name string, change func(w *PulseWord)) func(f *PulseFacts) {
		return func(f *PulseFacts) {
			for i := range f.Words {
				if f.Words[i].Name == name {
					change(&f.Words[i])
				}
			}
		}
	}
	keys := func(found uint32) func(f *PulseFacts) {
		return edit("devices", func(w *PulseWord) { w.Last, w.Bit, w.Expected, w.Found = 1<<6, 6, 0xfaab41, found })
	}
	for what, c := range map[string]struct {
		edits []func(f *PulseFacts)
		want  Outcome
	}{
		"the last byte":           {[]func(f *PulseFacts){keys(0xfaab00)}, Skip},
		"two bytes":               {[]func(f *PulseFacts){keys(0xfa0000)}, Skip},
		"all bytes":               {[]func(f *PulseFacts){keys(0)}, Fail},
		"another byte":            {[]func(f *PulseFacts){keys(0xfaab40)}, Fail},
		"a byte that never comes": {[]func(f *PulseFacts){keys(0xfaabff)}, Fail},
		"a device beside it":      {[]func(f *PulseFacts){keys(0xfaab00), edit("devices", func(w *PulseWord) { w.Last |= 1 })}, Fail},
		"a clock beside it":       {[]func(f *PulseFacts){keys(0xfaab00), edit("clocks", func(w *PulseWord) { w.Last = 1 })}, Fail},
		"no answer any more":      {[]func(f *PulseFacts){keys(0xfaab00), edit("what waits in the keyboard's queue", func(w *PulseWord) { w.Last = w.First })}, Fail},
	} {
		r := pulsing()
		r.Accel, r.Source.Version, r.KnownBug = "tcg: the default", "5.2.0", "whatever"
		for _, e := range c.edits {
			e(&r.Pulse[1])
		}
		result := Judged(r)
		require.Equal(t, c.want, result.Outcome, "%s: %s", what, result.Reason)

		last := pulsing()
		leg := *r
		leg.Gathers, last.Legs = nil, []*Record{&leg}
		last.Accel, last.Source.Version, last.KnownBug = r.Accel, "5.2.0", "whatever"
		result = Judged(last)
		require.Equal(t, c.want, result.Outcome, "%s, on the way there: %s", what, result.Reason)
	}
}

func TestLastWritesThatTCGLosesOnABusyHostAreASkip(t *testing.T) {
	old := func(r *Record) { r.Pulse[1].Words[0].Source = 5 }
	for what, c := range map[string]struct {
		edit func(r *Record)
		want Outcome
	}{
		"a count that is older":                        {old, Skip},
		"on a host that is not busy":                   {func(r *Record) { old(r); r.Host = nil }, Fail},
		"under KVM":                                    {func(r *Record) { old(r); r.Accel = "kvm: asked for" }, Fail},
		"a count that is older, and another that ends": {func(r *Record) { old(r); r.Pulse[1].Words[1].Last = r.Pulse[1].Words[1].First }, Fail},
		"a count that goes back on the destination":    {func(r *Record) { r.Pulse[1].Words[0].Last = r.Pulse[1].Words[0].First - 9 }, Fail},
	} {
		r := pulsing()
		r.Accel, r.Source.Version, r.KnownBug, r.Host = "tcg: the default", "11.1.3", "whatever", &HostFacts{Slowdown: 9}
		c.edit(r)
		result := Judged(r)
		require.Equal(t, c.want, result.Outcome, "%s: %s", what, result.Reason)
	}
}

func TestAlarmThatIsLostBetweenTwoDevicesOnABusyHostIsASkip(t *testing.T) {
	stop := func(r *Record, name string) {
		words := r.Pulse[1].Words
		i := slices.IndexFunc(words, func(w PulseWord) bool { return w.Name == name })
		words[i].Last = words[i].First
	}
	quiet := func(r *Record) { r.Host = nil }
	for what, c := range map[string]struct {
		edit func(r *Record)
		want Outcome
	}{
		"on a busy host":  {func(*Record) {}, Skip},
		"on a quiet host": {quiet, Fail},
		"while the link is stalled": {func(r *Record) {
			quiet(r)
			r.Steps = append(r.Steps, StepFacts{Name: "stall link for 1.2s"})
		}, Skip},
		"and another timer as well":  {func(r *Record) { stop(r, r.Pulse[1].Words[0].Name) }, Fail},
		"by a QEMU that has it not":  {func(r *Record) { r.Source.Version, r.Destination.Version = "7.2.0", "7.2.0" }, Fail},
		"on the source":              {func(r *Record) { r.Pulse[1].Side, r.Pulse[1].Arrived = "source", false }, Fail},
		"beside periodic interrupts": {func(r *Record) { *r = *pulsing(); stop(r, fixtures.RTCAlarm) }, Fail},
	} {
		r := pulsingAs(fixtures.PulseAlarm)
		r.Source.Version, r.KnownBug, r.Host = "11.1.3", "whatever", &HostFacts{Slowdown: 9}
		stop(r, fixtures.RTCAlarm)
		c.edit(r)
		result := Judged(r)
		require.Equal(t, c.want, result.Outcome, "%s: %s", what, result.Reason)
	}
}
