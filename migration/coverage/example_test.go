package coverage_test

import (
	"fmt"

	"github.com/drover-vm/drover/migration/coverage"
	"github.com/drover-vm/drover/migration/scenarios"
)

// Who would notice if QEMU no longer compressed what it sends?
func ExampleList_About() {
	list, err := coverage.Parse(scenarios.Coverage())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range list.About("xbzrle") {
		fmt.Println(entry.Item, entry.Scenarios)
	}
	// Output: capability xbzrle [precopy/unix/xbzrle exact/ram/xbzrle]
}
