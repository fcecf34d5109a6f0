package bench_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
)

// A cell is a scenario file, which "drover run" runs as well.
func ExamplePlan_Text() {
	cells := bench.Cells([]string{"precopy", "multifd-4"}, []stats.Rate{50e6}, []int64{1e9}, []int{256}, []time.Duration{300 * time.Millisecond})
	plan := bench.Plan{Cells: cells, Repeats: 5, MaxTime: 10 * time.Second, Seed: 1}
	fmt.Println(len(plan.Order()), "migrations,", plan.Check())
	text, err := plan.Text(cells[0])
	fmt.Println(strings.Contains(text, "\nmigrate\n"), err)
	// Output:
	// 10 migrations, <nil>
	// true <nil>
}
