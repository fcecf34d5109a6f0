package record

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFactThatWasToBeGatheredAndIsMissingIsUnknown: whatever its check, and whether the
// ending demands it or the run set out to.
func TestFactThatWasToBeGatheredAndIsMissingIsUnknown(t *testing.T) {
	records := map[Ending]func() *Record{
		OnDestination: faulty, OnSource: stayed,
		Lost: func() *Record { r := faulty(); r.Ends = Lost; return r },
		NoGuest: func() *Record {
			return &Record{Ends: NoGuest, Source: &SideFacts{}, Steps: good().Steps, Teardown: good().Teardown, Gathers: Expect(NoGuest, "")}
		},
	}
	for ends, record := range records {
		for _, f := range Facts() {
			r := record()
			r.Gathers = Expect(ends, r.Arch, f)
			part := reflect.ValueOf(r).Elem().FieldByName(string(f))
			require.True(t, part.IsValid(), "%s is no part of a record", f)
			part.SetZero()
			result := Judged(r)
			require.NotEqual(t, Pass, result.Outcome, "%q: %s", ends, f)
			require.True(t, slices.ContainsFunc(result.Verdicts, func(v Verdict) bool {
				return v.Outcome == Unknown && strings.Contains(v.Witness, "no "+string(f))
			}), "%q: nothing says that the record has no %s", ends, f)
			require.False(t, r.has(f))
		}
	}
}

// TestListCanNotBeShortened: what the ending demands is asked for, whatever the record says
// that its run set out to gather.
func TestListCanNotBeShortened(t *testing.T) {
	for _, f := range append(demanded("", OnDestination, "x86_64"), FactStandstill, FactMeasures) {
		r := good()
		r.Gathers = []Fact{FactTeardown}
		reflect.ValueOf(r).Elem().FieldByName(string(f)).SetZero()
		require.Equal(t, Unknown, Judged(r).Outcome, f)
	}
}

// TestSuspendedGuestIsSilent: its console and its destination are not what they are of
// others.
func TestSuspendedGuestIsSilent(t *testing.T) {
	r := good()
	r.Source.Events = append([]EventFacts{{Time: r.Started.Add(-1), Name: "SUSPEND"}}, r.Source.Events...)
	r.Standstill, r.Measures = nil, nil
	require.NoError(t, Judged(r).Err())
	r.Gathers = Expect(OnDestination, "x86_64", FactMeasures)
	require.ErrorContains(t, Judged(r).Err(), "no Measures")
}

// TestOldRecordIsHeldToItsSteps: before runs said what they gather, their steps did.
func TestOldRecordIsHeldToItsSteps(t *testing.T) {
	for step, f := range map[string]Fact{
		"compare all memory": FactExact, "compare the processors' registers": FactRegisters,
		"look at the RAM that stayed": FactFault, "await status failed after the fault": FactFault,
		"await the fault": FactPaced, "see what went over the channels": FactLink,
	} {
		r := faulty()
		r.Steps[1].Name = step
		require.NoError(t, Judged(r).Err(), step)
		reflect.ValueOf(r).Elem().FieldByName(string(f)).SetZero()
		require.ErrorContains(t, Judged(r).Err(), "no "+string(f), step)
	}
}

func TestExpectListsEachFactOnce(t *testing.T) {
	all := Expect(OnDestination, "x86_64", FactExact, FactExact, FactLife)
	require.True(t, slices.IsSorted(all))
	require.Equal(t, slices.Compact(slices.Clone(all)), all)
	require.Contains(t, all, FactExact)
	require.NotContains(t, Expect(OnDestination, "sparc64"), FactDevices, "there are no canaries")
}

func TestEveryFactIsAPartOfARecord(t *testing.T) {
	for _, f := range Facts() {
		field, there := reflect.TypeFor[Record]().FieldByName(string(f))
		require.True(t, there, f)
		require.Contains(t, []reflect.Kind{reflect.Pointer, reflect.Slice}, field.Type.Kind(), f)
		require.NotEmpty(t, factDocs[f])
	}
}
