package record

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stoppedFirst is a good record of a guest that its steps stopped, and then sent.
func stoppedFirst() *Record {
	r := good()
	r.Source.Events[0].Time = r.Started.Add(-100 * time.Millisecond)
	r.Source.Stopped, r.Source.Began = r.Started.Add(-110*time.Millisecond), r.Started.Add(-time.Millisecond)
	return r
}

func TestGuestThatWasStoppedFirstMayMove(t *testing.T) {
	for _, v := range Judge(stoppedFirst()) {
		require.Equal(t, Pass, v.Outcome, "%s: %s", v.Check, v.Witness)
	}
}

func TestGuestThatWasStoppedFirstMayNotRunAgain(t *testing.T) {
	r := stoppedFirst()
	r.Source.Events = append(r.Source.Events, EventFacts{Time: r.Started.Add(-10 * time.Millisecond), Name: "RESUME"})
	outcome, witness := judgeOneSide(r)
	require.Equal(t, Fail, outcome)
	require.Contains(t, witness, "ran again at 03:04:04.99")
}

// replaced is a good record of a source that executed the destination in its place.
func replaced() *Record {
	r := good()
	r.Replaced, r.Migration, r.Stand = true, nil, nil
	return r
}

func TestSourceThatExecutedTheDestinationIsAskedNothing(t *testing.T) {
	for _, v := range Judge(replaced()) {
		switch v.Check {
		case "reported", "counts", "downtime":
			require.Equal(t, NotApplicable, v.Outcome, v.Check)
			require.Contains(t, v.Witness, "nobody was there to report")
		default:
			require.Equal(t, Pass, v.Outcome, "%s: %s", v.Check, v.Witness)
		}
	}
	r := replaced()
	r.Replaced = false
	require.Equal(t, Unknown, Worst(Judge(r)), "a source that is there has to be asked")
}

func TestSourceThatExecutedTheDestinationHasToStopFirst(t *testing.T) {
	r := replaced()
	r.Source.Events = slices.DeleteFunc(slices.Clone(r.Source.Events), func(e EventFacts) bool { return e.Name == "STOP" })
	outcome, witness := judgeOneSide(r)
	require.Equal(t, Fail, outcome)
	require.Contains(t, witness, "the source stopped 0 times, expected once")
}
