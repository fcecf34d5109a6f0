package host_test

import (
	"fmt"

	"github.com/drover-vm/drover/host"
)

// What a host lacks says what that costs, and how to get it.
func ExampleFacts() {
	unsaid := 0
	for _, fact := range host.Facts() {
		if !fact.Have && (fact.Costs == "" || fact.Remedy == "") {
			unsaid++
		}
	}
	fmt.Println(unsaid, "lacks without a remedy")
	// Output: 0 lacks without a remedy
}
