package record

import (
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
