// Package qmp is a client of QEMU's machine protocol, QMP, and of the QEMU
// guest agent, which speaks the same syntax.
//
// A [Session] stands on one connection. Any number of goroutines may execute
// commands at once: each gets the reply to its own, by the id that it was sent
// with. Up to eight are in flight, which is what a monitor takes before it
// stops reading; the ninth waits here. Out-of-band commands are on their own.
//
// Events are kept in one log, in the order in which they came, so an event and
// a reply are never taken for each other, and an event that comes before anyone
// waits for it is not lost. A waiter says from which place it looks:
//
//	before := session.Mark()
//	err := session.Execute(ctx, "stop", nil, nil)
//	event, err := session.Wait(ctx, before, "STOP")
//
// Reading is for everyone: no waiter takes an event from another, and a slow
// one holds up nobody. The log keeps the last Options.EventLog events; who asks
// for older ones is told how many are gone ([LostError]).
//
// Deadlines are the caller's. A context that ends abandons one wait and no
// more: the reply that comes late is dropped, and the session goes on. When the
// connection ends every waiter gets the same [ClosedError] at once.
//
// Numbers in replies and events survive exactly: they are never turned into
// floating point here, so decode integers into integer types.
//
// The protocol is QEMU's docs/interop/qmp-spec.rst.
package qmp
