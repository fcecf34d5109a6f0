// Package record holds what a run of a scenario saw, and judges it.
//
// A scenario gathers facts into a [Record], which is saved as JSON among the
// run's artifacts. Each [Check] is a pure function from the record to pass,
// fail or unknown, with one sentence of witness that names the address, what
// was expected and what was found. So a saved run can be judged again, on
// another machine or by a later drover, and a report reads what the checks read.
//
// The package knows nothing of QEMU, processes or terminals.
package record
