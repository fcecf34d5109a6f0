// Package probe asks a QEMU binary what it is and what it can do.
//
// Nothing is concluded from a version number: the binary is run, a few times
// at once and for a bounded time, and prints which objects, machines,
// devices and accelerators it has. So a build with something left out, or
// with something carried back from a later version, is described as it is.
//
// A probe leaves no process behind, whatever the binary does: it runs in a
// process group of its own, which is killed when the probe ends, and the
// kernel kills it when this process ends first.
package probe
