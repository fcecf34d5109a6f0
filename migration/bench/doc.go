// Package bench measures what migration costs, on real QEMUs.
//
// A [Plan] is cells, each a way to migrate and what it has to cope with, and how often each
// is measured. [Bench.Run] takes every cell's scenario through a pair of VMs, in an order
// that is shuffled anew for each round, and returns what was measured as [stats.Results].
// What a cell does is a scenario file ([Plan.Text]) that "drover run" runs as well.
//
// One migration is measured at a time: two would share the host's CPUs.
package bench
