// Package stream reads what QEMU sends when it migrates a guest: the header, the
// configuration, RAM page by page, each device's state taken apart into its fields,
// the commands of postcopy, and the description that the stream has of itself. It
// takes streams of QEMU 2.4 and later from a file, also those of the capability
// mapped-ram, or as they come out of a connection; of a migration over several
// connections, the first.
//
// A device's payload doesn't tell its length: a destination knows it by loading it. A
// reader has the description at the stream's end, JSON that lists each field with its
// size. So [ReadFile] begins with the end, and [Read] waits with the devices until the
// rest is there. Where there is no description, as in postcopy, a section's end is
// looked for by its number, which stands behind it again, and its fields are unknown.
//
// [Stream.Check] says what is wrong with a stream that can be read. One that can't be
// read to its end gives an *[Error] that says where and why:
//
//	stream: truncated at byte 123456, in section 3 (ram)
//
// The format is QEMU's own: docs/devel/migration/main.rst says what it is made of,
// mapped-ram.rst and postcopy.rst beside it tell of these two; the numbers are in
// migration/savevm.h and migration/ram.c.
package stream
