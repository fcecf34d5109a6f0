// Package record holds what a run of a scenario saw, and judges it.
//
// A scenario gathers facts into a [Record], which is saved as JSON among the
// run's artifacts. Each [Check] is a pure function from the record to pass,
// fail or unknown, with one sentence of witness that names the address, what
// was expected and what was found. So a saved run can be judged again, on
// another machine or by a later drover, and a report reads what the checks read.
//
// A record proves what it holds, and no more. Its run says from the start what it
// sets out to gather ([Record.Gathers], [Expect]), and its ending demands facts of its
// own: one that is missing makes its check unknown. What a QEMU replied in another form,
// or left out, is unknown too. Memory is judged as compared only where what was compared,
// the workload and what the guest program gives a reason to leave out come to all RAM that
// the guest has. [Load] refuses text that hides a fact.
//
// By how much something may be off is in one table ([Tolerances]), with what was seen.
// Where the run's host was slower than it should have been ([HostFacts]), what is timed
// may take as many times longer, and what took longer still is unknown; everything else is
// judged as ever.
//
// The package knows nothing of QEMU processes or terminals. What it returns may hold text
// that a QEMU wrote: escape it to print it (internal/plain).
package record
