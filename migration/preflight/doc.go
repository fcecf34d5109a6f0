// Package preflight predicts whether a guest can move from one QEMU to another.
//
// A [Description] is what one QEMU says of a machine: the sections of the stream
// in which it would send it, each with its version and its fields; the blocks of
// its RAM; and what it knows of each type of device (-dump-vmstate). [Compare]
// puts the source's beside the destination's, by QEMU's own rules for what a
// stream may hold, and says each [Difference] in a sentence, and what will come of
// them: a [Prediction].
//
//	report := preflight.Compare(source, destination)
//	fmt.Println(report.Prediction) // completes
//
// Sections are matched by name and instance. What the source sends, the
// destination has to know: the section; its version, neither above the
// destination's own nor below its minimum; each subsection, which is sent only when
// needed; and the fields must follow each other at the same sizes, for nothing in the
// stream says where one ends. What only the destination has does no harm: it stays as
// it is after a reset. What the guest finds in its vCPUs is in no stream: features that
// only the source's CPU has are named, and the prediction is the same. A source that
// died when it was to send a guest is predicted to do so again.
//
// The package knows no QEMU that runs: who asks one is somebody else's business.
package preflight
