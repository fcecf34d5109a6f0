// Package host says what this host has that QEMU and its tests can use:
// userfaultfd, KVM, huge pages, memory and processors as far as this process
// may use them, room in memory for files, the loopback, network namespaces, tc.
//
// Nothing is changed and nothing is cached: each function asks the kernel
// when it is called. Where something is missing, the error, or the fact, says
// in one sentence what would help.
package host
