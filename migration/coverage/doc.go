// Package coverage holds what QEMU offers for migration against what drover watches.
//
// What QEMU offers are items, taken from its own schema: [Items]. Who watches each is a
// text, [Parse], with one line an item:
//
//	capability xbzrle = precopy/unix/xbzrle, exact/ram/xbzrle
//	reply query-migrate ram total = check counts
//	capability x-colo = nothing can: COLO needs replicated storage
//	capability release-ram = nobody yet: the check of memory compares RAM that is released
//	gaps = 1
//
// Behind the equals sign stand the scenarios, and the checks of package record, that fail
// where QEMU ignores the item, loses it, is wrong about it by a factor, or applies it on one
// side only; or one sentence why nothing can notice that, or why nobody does yet. The number
// of the latter stands in the last line, so that one more is seen in review.
// [List.Problems] says what is wrong with such a text, and [Page] makes a page of it.
//
// A name is a path as package schema writes it: words from a command to a member, a value
// behind the name of an enumeration, tag=case where members depend on a tag.
//
// Everything here is a pure function, and safe for concurrent use.
package coverage

//go:generate go run ./internal/writepage ../../protocol/qmp/schema/testdata ../../docs/coverage.md
