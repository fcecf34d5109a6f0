package record

import "strings"

// TeardownFacts are how the QEMUs exited and what they left.
type TeardownFacts struct {
	Exits []ExitFacts
	Left  []string `json:",omitempty"` // paths and processes
}

// ExitFacts are how one QEMU exited when it was told to quit.
type ExitFacts struct {
	Side   string
	State  string // "exit status 0"
	Clean  bool   // exit status 0, or the end that the scenario wants
	Reason string `json:",omitempty"` // why it isn't, or why that is the wanted end
	Late   bool   `json:",omitempty"` // exit status 0, and only after the time that it was given
}

const exitStatus0 = "exit status 0"

func judgeEnd(r *Record) (Outcome, string) {
	t := r.Teardown
	if t == nil || len(t.Exits) == 0 {
		return unknown("how the QEMUs exited")
	}
	times := map[string]int{}
	for _, e := range t.Exits {
		switch {
		case !e.Clean && e.Late:
			return r.late("the %s took too long to end when told to quit: %s, %s", e.Side, e.State, e.Reason)
		case !e.Clean:
			return r.cutShort("the %s ended with %s when told to quit, expected exit status 0: %s", e.Side, e.State, e.Reason)
		case e.State != exitStatus0 && e.Reason == "":
			return unsure("the %s ended with %q, and the record doesn't say why that is as it should be", e.Side, e.State)
		}
		times[e.Side]++
	}
	if len(t.Left) > 0 {
		return r.cutShort("left behind: %s", strings.Join(t.Left, ", "))
	}
	exited := []string{"source"}
	if r.Destination != nil && !r.isLeg { // a leg's destination is the next one's source
		exited = append(exited, "destination")
	}
	for _, side := range exited {
		if times[side] != 1 {
			return unsure("how the %s exited was gathered %d times", side, times[side])
		}
	}
	return pass("exit status 0, and nothing left behind")
}
