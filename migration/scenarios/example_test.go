package scenarios_test

import (
	"fmt"

	"github.com/drover-vm/drover/migration/scenarios"
)

// A scenario of the catalogue is data: it can be looked at, and changed, before it is run.
func ExampleAll() {
	for _, s := range scenarios.All() {
		if s.Name == "bad_dest" {
			fmt.Println(s.Doc)
			for _, step := range s.Steps {
				fmt.Println("-", step.Name)
			}
		}
	}
	// Output:
	// Migrate to a port that nobody listens on: it fails at once, and the guest runs on.
	// - boot
	// - listen tcp
	// - migrate tcp:127.0.0.1:0
	// - await failure
	// - expect error "Connection refused"
}
