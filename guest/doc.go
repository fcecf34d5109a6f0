// Package guest makes Linux guests that judge themselves: a kernel that somebody else built,
// an archive (initramfs) with a program of ours and the modules that its devices need, and the
// host's end of what that program says.
//
// [Build] makes the archive: it builds the program, whose source this package has embedded,
// for the guest's architecture with the Go toolchain of this machine, and packs it. Both are
// kept in the cache folder, by what they were made of, until nobody has used them for 30 days.
// [Devices] is the table of what a guest can have. A [Session] listens to a guest, on whichever
// side of a migration it is, and has it run programs.
//
// The package knows neither QEMU processes nor migration: it is given files and bytes.
package guest
