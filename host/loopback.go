package host

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// loopbackTimeout bounds a connection within this host, which takes a tenth of a
// millisecond.
const loopbackTimeout = 2 * time.Second

// A LoopbackError says that this host's processes can't talk to each other over TCP.
type LoopbackError struct {
	Reason string // one clause
	Remedy string // one clause
	Err    error  // of the system
}

func (e *LoopbackError) Error() string { return e.Reason + ": " + e.Remedy }
func (e *LoopbackError) Unwrap() error { return e.Err }

// Loopback tries whether a process can connect to another one over 127.0.0.1. In a
// network namespace of its own (unshare -n, a sandbox for builds or tests) the
// loopback is there, and down. The error is a *LoopbackError, a sentence with the
// remedy.
func Loopback() error {
	err := loopback("127.0.0.1:0")
	if err == nil {
		return nil
	}
	down := errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
	if lo, loErr := net.InterfaceByName("lo"); loErr == nil {
		down = down || lo.Flags&net.FlagUp == 0
	}
	if down {
		return &LoopbackError{"this host's loopback is down", "ip link set lo up", err}
	}
	return &LoopbackError{
		fmt.Sprintf("this host's loopback carries no TCP (%v)", err), "let the firewall or the sandbox pass connections to 127.0.0.1", err,
	}
}

// loopback listens on an address and connects to itself there.
func loopback(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.DialTimeout("tcp", listener.Addr().String(), loopbackTimeout)
	if err != nil {
		return err
	}
	return conn.Close()
}

func loopbackFact(err error) Fact {
	f := Fact{Name: "loopback", Have: err == nil, Says: "processes can connect over 127.0.0.1"}
	if failed, ok := errors.AsType[*LoopbackError](err); ok {
		f.Says, f.Remedy = failed.Reason, failed.Remedy
		f.Costs = "migration over TCP"
	}
	return f
}
