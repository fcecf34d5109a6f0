// Package migration proves that live migration works, on real QEMUs.
//
// A [Scenario] is a value: a name, one sentence, what it needs, and
// [Steps] in order. [Scenario.Run] brings up a source and a destination, takes the
// steps, and gathers facts into a record, which the checks of package record
// judge. What a scenario finds out is in the result; an error says that it could
// not be run at all.
//
//	result, err := scenario.Run(ctx, migration.Options{Arch: "x86_64"})
//	if err != nil {
//		return err // there is no such QEMU, or it does not start
//	}
//	fmt.Println(result.Outcome, result.Reason)
//
// A scenario that needs a step of its own writes it in place: a step is a name and
// a function that takes a context and the [Pair] of VMs. Steps run one after
// another. Each returns when its context ends; the scenario's budget
// ([Options.Budget]) bounds them all, and one that did not end well leaves a
// diagnosis, not only a kill.
//
// Runs may go on side by side. Nothing of a run outlives it but, where it did
// not pass, its folder of artifacts.
package migration
