package record

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is how many checks such a record calls for.
func asked(r *Record) (n int) {
	for _, c := range Checks() {
		if c.isFor(r.Ends) && (c.Asked == nil || c.Asked(r)) {
			n++
		}
	}
	return n
}

func TestGoodRecordPassesEveryCheck(t *testing.T) {
	for name, r := range map[string]*Record{"good": good(), "faulty": faulty(), "stayed": stayed(), "hot": hot()} {
		verdicts := Judge(r)
		require.Len(t, verdicts, asked(r), name)
		for _, v := range verdicts {
			require.Equal(t, Pass, v.Outcome, "%s: %s: %s", name, v.Check, v.Witness)
			require.NotEmpty(t, v.Witness)
		}
		require.Equal(t, Pass, Worst(verdicts))
		require.NoError(t, Judged(r).Err())
	}
}

func TestEachLegIsJudgedByItself(t *testing.T) {
	r := good()
	r.Memory.DifferentTotal = 7
	r.NextLeg()
	require.Nil(t, r.Memory, "nothing is known of the next leg")
	second := good()
	second.Legs = r.Legs
	result := Judged(second)
	require.Len(t, result.Verdicts, 2*asked(good()))
	require.ErrorContains(t, result.Err(), "leg 1: memory: 7 bytes")
}

// TestLegIsHeldToWhatEachWayDemands: what else the run was to gather is the last way's.
func TestLegIsHeldToWhatEachWayDemands(t *testing.T) {
	r := good()
	r.Ends, r.Gathers = OnSource, Expect(OnSource, "x86_64", FactRegisters)
	r.Teardown.Exits = r.Teardown.Exits[:1] // the destination is the next source
	r.Registers = nil
	r.NextLeg()
	last := stayed()
	last.Legs, last.Gathers = r.Legs, r.Gathers
	require.NoError(t, Judged(last).Err())
	last.Registers = nil
	require.ErrorContains(t, Judged(last).Err(), "no Registers")
	last.Legs[0].Memory = nil
	require.ErrorContains(t, Judged(last).Err(), "leg 1: memory")
}

func TestLegThatIsNoneIsUnknown(t *testing.T) {
	nested := good()
	nested.Legs = []*Record{good()}
	for what, leg := range map[string]*Record{"a gap": nil, "legs in a leg": nested} {
		r := good()
		r.Legs = []*Record{leg}
		require.Equal(t, Unknown, Judged(r).Outcome, what)
		require.Contains(t, Judged(r).Reason, "leg 1: steps", what)
	}
	require.Equal(t, Unknown, Judged(nil).Outcome)
}

func TestEndingThatIsNoneIsUnknown(t *testing.T) {
	r := good()
	r.Ends, r.Legs = "bogus", []*Record{good()}
	require.Equal(t, Unknown, Judged(r).Outcome)
	require.Contains(t, Judged(r).Reason, `"bogus"`)
}

func TestEmptyRecordPassesNothing(t *testing.T) {
	for _, ends := range endings() {
		for _, r := range []*Record{{Ends: ends}, {Ends: ends, Arch: "x86_64", Source: &SideFacts{}, Destination: &SideFacts{}}} {
			for _, v := range Judge(r) {
				require.NotEqual(t, Pass, v.Outcome, "%q: %s: %s", ends, v.Check, v.Witness)
			}
		}
	}
	require.Equal(t, Unknown, Worst(nil))
}

func TestCheckThatBreaksIsUnknown(t *testing.T) {
	c := Check{Name: "broken", Judge: func(*Record) (Outcome, string) { panic("ouch") }}
	v, asked := c.apply(good())
	require.True(t, asked)
	require.Equal(t, Unknown, v.Outcome)
	require.Contains(t, v.Witness, "ouch")
	require.Equal(t, Unknown, Worst([]Verdict{{Outcome: Pass}, v}))
	require.Equal(t, Fail, Worst([]Verdict{v, {Outcome: Fail}}))
}

// TestEventsThatAreUnfitLeaveTheirChecksUnknown: lost, without a time, or in a form that
// can't be read.
func TestEventsThatAreUnfitLeaveTheirChecksUnknown(t *testing.T) {
	for _, c := range []struct {
		what    string
		doctor  func(r *Record)
		witness string
	}{
		{"lost", func(r *Record) { r.Source.EventsLost = 3 }, "3 events of the source were lost"},
		{"lost on the other side", func(r *Record) { r.Destination.EventsLost = 1 }, "1 events of the destination"},
		{"no time", func(r *Record) { r.Source.Events[0].Time = time.Time{} }, "event 1 of the source"},
		{"no name", func(r *Record) { r.Destination.Events[1].Name = "" }, "event 2 of the destination"},
		{"no status", func(r *Record) { r.Source.Events[1].Data = raw(`{}`) }, "it has no status"},
		{"a status in another case", func(r *Record) { r.Source.Events[1].Data = raw(`{"Status": "setup"}`) }, "it has no status"},
		{"a status that is a number", func(r *Record) { r.Source.Events[1].Data = raw(`{"status": 7}`) }, "its status is 7"},
		{"a status that nobody knows", func(r *Record) { r.Source.Events[1].Data = raw(`{"status": "hovering"}`) }, `"hovering"`},
		{"a status twice", func(r *Record) { r.Source.Events[1].Data = raw(`{"status": "failed", "status": "setup"}`) }, "twice"},
		{"a status in two cases", func(r *Record) { r.Source.Events[1].Data = raw(`{"STATUS": "failed", "status": "setup"}`) }, "differs only in case"},
		{"no data", func(r *Record) { r.Source.Events[1].Data = nil }, "there is nothing"},
		{"a pass without a number", func(r *Record) { r.Source.Events[5].Data = raw(`{"Pass": 3}`) }, "MIGRATION_PASS"},
		{"half a pass", func(r *Record) { r.Source.Events[5].Data = raw(`{"pass": 3.5}`) }, "3.5"},
		{"a pass below 0", func(r *Record) { r.Source.Events[5].Data = raw(`{"pass": -3}`) }, "negative"},
	} {
		r := faulty()
		r.Source.Events = r.Source.Events[3:] // those of good
		c.doctor(r)
		for _, v := range Judge(r) {
			if slices.ContainsFunc(Checks(), func(check Check) bool { return check.Name == v.Check && check.Events }) {
				require.Equal(t, Unknown, v.Outcome, "%s: %s", c.what, v.Check)
				require.Contains(t, v.Witness, c.witness, "%s: %s", c.what, v.Check)
			}
		}
	}
}

func TestWitnessIsASentenceAndNoBook(t *testing.T) {
	r := good()
	r.Error = strings.Repeat("much", 1<<20)
	v := Judge(r)[0]
	require.Less(t, len(v.Witness), longestWitness+100)
	require.Contains(t, v.Witness, "(4194304 bytes)")
	r.Error = strings.Repeat("ü", 1<<20)
	require.NotContains(t, Judge(r)[0].Witness, "\xc3...")
}

func TestWorkloadCountsModulo256(t *testing.T) {
	r := good()
	r.Workload.Runs[0].Value, r.Workload.Runs[1].Value = 0, 255
	outcome, witness := judgeWorkload(r)
	require.Equal(t, Pass, outcome, witness)
}

func TestWorkloadStoppedBetweenRounds(t *testing.T) {
	r := good()
	r.Workload.Runs = []Run{{1 << 20, 25344, 7}}
	outcome, witness := judgeWorkload(r)
	require.Equal(t, Pass, outcome, witness)
	require.Contains(t, witness, "all 25344 pages hold 7")
}

// TestRunWithoutAGuestSaysSo: a QEMU without a guest exits cleanly, and that proves nothing
// of one.
func TestRunWithoutAGuestSaysSo(t *testing.T) {
	r := &Record{
		Format: Format, Scenario: alone, Arch: "x86_64", Ends: NoGuest, Source: &SideFacts{Version: "10.0.0"},
		Steps: []StepFacts{{Name: "start"}}, Teardown: &TeardownFacts{Exits: []ExitFacts{{Side: "source", State: exitStatus0, Clean: true}}},
	}
	require.NoError(t, Judged(r).Err())
	r.Scenario = "precopy/unix/plain"
	require.ErrorContains(t, Judged(r).Err(), `what "precopy/unix/plain" was to gather`)
	r.Gathers = Expect(NoGuest, "x86_64")
	require.NoError(t, Judged(r).Err(), "a run says itself what it was to gather")
	r.Life = good().Life
	require.ErrorContains(t, Judged(r).Err(), "without a guest")
	r.Life, r.Source = nil, nil
	require.ErrorContains(t, Judged(r).Err(), "the record has no Source")
}

func TestDoubtOfWhoeverKnowsMoreIsUnknown(t *testing.T) {
	result := Judged(good())
	result.Doubt("steps", "the scenario has others")
	require.Equal(t, Unknown, result.Outcome)
	require.ErrorContains(t, result.Err(), "steps: the scenario has others")
	failed := good()
	failed.Memory.DifferentTotal = 7
	result = Judged(failed)
	result.Doubt("steps", "the scenario has others")
	require.Equal(t, Fail, result.Outcome)
	require.Contains(t, result.Reason, "memory")
}

// TestPostcopyMayBeToldCompleteJustBeforeTheGuestRuns: two threads of the destination's do it.
func TestPostcopyMayBeToldCompleteJustBeforeTheGuestRuns(t *testing.T) {
	for early, outcome := range map[time.Duration]Outcome{2 * time.Millisecond: Pass, time.Second: Fail} {
		r := good()
		source, destination := r.Source.Events, r.Destination.Events
		r.Source.Events = slices.Insert(source, 4, status(source[4].Time, "postcopy-active"))
		require.Equal(t, "completed", statusOf(destination[4]))
		destination[4].Time = destination[0].Time.Add(-early)
		got, witness := judgeSequence(r)
		require.Equal(t, outcome, got, witness)
	}
}

// TestGuestThatIsResetOnItsWayHasToBoot: what its console is silent for says nothing of the
// downtime. One that was reset earlier has booted.
func TestGuestThatIsResetOnItsWayHasToBoot(t *testing.T) {
	for before, outcome := range map[time.Duration]Outcome{10 * time.Millisecond: Pass, 5 * time.Second: Fail} {
		r := good()
		r.Source.Events = slices.Insert(r.Source.Events, 0, EventFacts{Name: "RESET", Time: r.Standstill.LastOnSource.Add(-before)})
		r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(3 * time.Second)
		got, witness := judgeDowntime(r)
		require.Equal(t, outcome, got, witness)
	}
}

// TestTimeSinceBootIsNoDowntime: old QEMUs report it for a postcopy migration whose downtime
// was under a millisecond.
func TestTimeSinceBootIsNoDowntime(t *testing.T) {
	for version, outcome := range map[string]Outcome{"7.2.22": Pass, "10.0.13": Fail} {
		r := good()
		r.Source.Version = version
		r.Source.Events = slices.Insert(r.Source.Events, 5, status(r.Source.Events[4].Time, "postcopy-active"))
		reports(func(m *MigrationFacts) { m.DowntimeMS = 9_212_397 })(r)
		got, witness := r.judgeTimes()
		require.Equal(t, outcome, got, "%s: %s", version, witness)
		_, witness = judgeDowntime(r)
		require.Equal(t, outcome == Pass, strings.Contains(witness, "under 1 by the source, which reports the time since its host booted (9212397)"), witness)
	}
}

// TestGuestBehindALinkThatWasStalledMayRunLate: then the link decides when it runs.
func TestGuestBehindALinkThatWasStalledMayRunLate(t *testing.T) {
	for what, outcome := range map[string]Outcome{"stall link for 1s": Pass, "something else": Fail} {
		r := good()
		r.Steps = append(r.Steps, StepFacts{Name: what})
		r.Destination.Events[0].Time = r.Destination.Events[0].Time.Add(time.Second)
		r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(time.Second)
		got, witness := judgeDowntime(r)
		require.Equal(t, outcome, got, witness)
	}
}
