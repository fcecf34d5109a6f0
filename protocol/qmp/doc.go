// Package qmp is a client of QEMU's machine protocol, QMP, and of the QEMU
// guest agent, which speaks the same syntax. With a QEMU that was started with
// -qmp unix:/run/vm/qmp,server=on,wait=off a program is this:
//
//	session, err := qmp.Dial(ctx, "unix", "/run/vm/qmp", qmp.Options{})
//	if err != nil {
//		return err
//	}
//	defer session.Close()
//	var reply struct{ Status string }
//	err = session.Execute(ctx, "query-status", nil, &reply)
//
// Package qapi has the commands that drover uses as functions with types, package
// schema what a QEMU says of all its commands, package launcher starts a QEMU and
// has a session with it.
//
// A [Session] has one connection. Any number of goroutines may execute
// commands at once: each gets the reply to its own, by the id that it was sent
// with. Up to seven are in flight, for at eight a monitor may stop reading, and
// be deaf even out of band; the next one waits here. Out-of-band commands are not
// counted.
//
// Events are kept in one log, in the order in which they came, so an event and
// a reply are never taken for each other, and an event that comes before anyone
// waits for it is not lost. A waiter says from which place it looks:
//
//	before := session.Mark()
//	err := session.Execute(ctx, "stop", nil, nil)
//	event, err := session.Wait(ctx, before, "STOP") // also one that has come already
//
// Reading is for everyone: no waiter takes an event from another, and a slow
// one holds up nobody. The log keeps the last Options.EventLog events; a reader that
// asks for older ones gets a [LostError], with their number.
//
// Deadlines are the caller's. A context that ends abandons one wait and no
// more: the reply that comes late is dropped, and the session goes on. When the
// connection ends every waiter gets the same [ClosedError] at once.
//
// Numbers in replies and events survive exactly: they are never turned into
// floating point here, so decode integers into integer types.
//
// # Connections
//
// [Dial] connects to a monitor that listens, and waits for one that does not yet as
// long as ctx does,
// [DialAgent] to a guest agent, and waits for one that the guest has yet to start;
// [New] takes any [net.Conn]: an inherited descriptor by way of [net.FileConn], a
// [crypto/tls] client, an end of a [net.Pipe] in a test. [NewAgent] takes one to a
// guest agent. To reconnect is to make a new session.
//
// # Cost
//
// QEMU reads its monitor one byte at a time, and takes microseconds for each: a
// command of 40 bytes takes a fraction of a millisecond, one of a megabyte takes
// seconds, whoever sends it. A session adds a few microseconds, and as many bytes of
// memory as the reply has that is asked for.
//
// # Bounds
//
// What a peer sends can't make a session hang, panic or grow: messages are at most
// Options.MaxMessage long and nested 1024 deep, the log of events holds at most
// Options.EventLog of them, and as much as MaxMessage together. What is no JSON, or no
// message of QMP, ends the session with a [ProtocolError]; a reply to nobody is dropped.
//
// The protocol is QEMU's docs/interop/qmp-spec.rst.
package qmp
