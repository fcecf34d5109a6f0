package host

import (
	"errors"
	"os"
)

// A Fact is one thing that a host has or hasn't, for a person to read.
type Fact struct {
	Name   string `json:"name"`
	Have   bool   `json:"have"`
	Says   string `json:"says"`             // what was found, in one clause
	Costs  string `json:"costs,omitempty"`  // what can't be done without it; "" where it is there
	Remedy string `json:"remedy,omitempty"` // how to get it
}

// Facts returns what this package knows of the host, the most important
// first.
func Facts() []Fact {
	return []Fact{
		userfaultfdFact(Userfaultfd()),
		KVMState().Fact(),
		MemoryState().Fact(),
		Processors().Fact(),
		Tmpfs(os.Getenv).Fact(),
		HugePages().Fact(),
		loopbackFact(Loopback()),
		NetworkNamespaces().Fact(),
		TrafficControl(os.Getenv).Fact(),
		TPMEmulator(os.Getenv).Fact(),
	}
}

func userfaultfdFact(f Features, err error) Fact {
	fact := Fact{Name: "userfaultfd"}
	if err != nil {
		fact.Says, fact.Costs = err.Error(), "postcopy, and snapshots in the background"
		if missing, ok := errors.AsType[*UserfaultfdError](err); ok {
			fact.Says, fact.Remedy = missing.Reason, missing.Remedy
		}
		return fact
	}
	fact.Have, fact.Says = true, "page faults can be handed to QEMU"
	if !f.Syscall {
		fact.Says += ", from 8.1 on: only through " + userfaultfdDevice
		fact.Costs = "postcopy with a QEMU before 8.1"
		fact.Remedy = "sudo sysctl vm.unprivileged_userfaultfd=1"
	}
	if f.ThreadID {
		fact.Says += "; with the thread that waits"
	}
	return fact
}
