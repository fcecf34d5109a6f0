//go:build !linux

package host

import "errors"

var errOnlyLinux = errors.New("only Linux has it")

// VSOCKPort returns a port of this host's own vsock address, which only Linux has.
func VSOCKPort() (uint32, error) { return 0, errOnlyLinux }

// MPTCP says whether this host's kernel makes MPTCP sockets, which only Linux does.
func MPTCP() error { return errOnlyLinux }

// LockedMemory says whether a process may lock as much memory as a zero-copy migration does,
// which only Linux can.
func LockedMemory() error { return errOnlyLinux }
