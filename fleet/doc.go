// Package fleet finds the QEMU binaries that a host has and fetches private
// copies of those that it hasn't.
//
// [Find] answers "which QEMU do I run for this architecture?" from, in this
// order, the environment, PATH and the private copies that were fetched
// before; it changes nothing and needs no network. [Fleet.Ensure] does the
// same and fetches what is missing. [Fleet.Fetch] fetches a given [Release],
// so that several versions of QEMU stand side by side.
//
// # Private copies
//
// A private copy is made by the package manager's own tools, as the user who
// asks, into that user's cache folder. apt-get works on a state of its own
// there (sources, lists, an empty list of installed packages), so nothing of
// the system changes, no root is needed, and apt checks the signatures as
// always. The packages are unpacked, never installed: no script of theirs is
// run. Each copy is complete, the C library and its loader included, so a
// copy from another release of Debian runs, and goes on running when the
// system is upgraded.
//
// Where they are, in $DROVER_CACHE or the user's cache folder (~/.cache):
//
//	drover/fleet/
//	    bookworm/
//	        bin/qemu-system-x86_64   a script that starts the copy: DROVER_QEMU can name it
//	        qemu-system-x86/         one package with all that it depends on, never changed once it is there
//	            stamp.json           what it is; a copy without it isn't there
//	    kernels/x86_64/              a Linux kernel for guests, with its modules and a stamp.json
//	    full-kernels/x86_64/         another, with drivers that the first one lacks
//
// Packages are compared with the hashes of the mirror's list before they are
// unpacked. A copy of which a file is missing or cut off is not used; [Fleet.Problems]
// names it, and fetching makes it anew. Nor is one used, or anything written, where
// another user can change the folder or one above it: a program that runs as root with
// somebody else's HOME would else run what that user has put there.
//
// A QEMU started through such a script is shown by ps and top under the name
// of its loader, for instance ld-linux-x86-64.
package fleet
