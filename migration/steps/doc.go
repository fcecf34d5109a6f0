// Package steps is the vocabulary of scenarios: what a scenario file can say, and the
// constructors that a scenario in Go uses for the same.
//
// A step is a [migration.Step]; a verb of a scenario file makes one from the words behind
// it. [Verbs] is the table of all, each with a sentence and an example; "drover verbs"
// prints it.
//
// What a step leaves for a later one is in a [migration.Slot], of which each run has its
// own. So the same steps may be run many times at once.
package steps
