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
// [Stream.Check] returns what is wrong with a stream that can be read, [Stream.Remarks]
// what is worth knowing and no fault of it. One that can't be read to its end gives an
// *[Error] with where and why:
//
//	stream: truncated at byte 123456, in section 3 (ram)
//
// [OpenFile] reads the pages of RAM in any order, and [FindWrapping] knows what a file is
// that has a stream inside, or none.
//
// # What is believed
//
// Where a stream tells something itself, that is believed before what this package would
// assume: the size of the target's pages ([Options.PageSize]), the length of a section
// (its footer, where there is one, before the description), the places in a mapped-ram
// file. A description is known to be incomplete in some ways, which are remarks: an array
// is described by its first element alone, though others may have another size.
//
// # Bounds
//
// A stream may be damaged, or somebody's who means harm. Reading one of N bytes takes
// time and memory linear in N, whatever the bytes claim:
//
//   - no more than 64 N + 3 MiB bytes are allocated in all, and not at once, beside Data of
//     pages that a caller keeps; a device's payload is kept once;
//   - no more than 16 N + 1 MiB bytes are read, moved in memory, or searched for the end of
//     a section. The pages of a mapped-ram file are not read unless a caller asks for
//     them, nor are holes that a file has behind the stream;
//   - 64 MiB at most are looked ahead, in a buffer of 128 MiB; devices have 256 MiB at most
//     together, and a description has 16 MiB, with one part for each 40 bytes;
//   - 65536 blocks of RAM, 256 capabilities, and structs in each other up to 64 are read,
//     more are an error; 65536 commands, 100 problems and 262144 fields are kept, more are
//     counted or left as bytes.
//
// The tests beside hold each of them.
//
// The format is QEMU's own: docs/devel/migration/main.rst has what it is made of,
// mapped-ram.rst and postcopy.rst beside it these two; the numbers are in
// migration/savevm.h and migration/ram.c.
package stream
