package record_test

import (
	"fmt"

	"github.com/drover-vm/drover/migration/record"
)

// A record is judged by pure functions, so it can be judged anywhere.
func ExampleJudge() {
	r := &record.Record{
		Scenario: "deprecated", Arch: "x86_64", Ends: record.NoGuest, Seconds: 0.1,
		Source:   &record.SideFacts{Version: "10.0.0"},
		Steps:    []record.StepFacts{{Name: "start"}, {Name: "quit"}},
		Teardown: &record.TeardownFacts{Exits: []record.ExitFacts{{Side: "source", State: "signal: killed", Reason: "it was gone"}}},
	}
	for _, v := range record.Judge(r) {
		fmt.Printf("%s: %s: %s\n", v.Outcome, v.Check, v.Witness)
	}
	fmt.Println(record.Judged(r).Outcome)
	// Output:
	// pass: steps: 2 steps in 0.10 s
	// fail: clean end: the source ended with signal: killed when told to quit, expected exit status 0: it was gone
	// fail
}
