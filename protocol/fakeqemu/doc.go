// Package fakeqemu is a QEMU without a QEMU: an in-process peer that speaks QMP
// and qtest, for tests that must run where none is installed, and for faults that
// a real one can't be talked into.
//
//	q := fakeqemu.New(fakeqemu.Config{})
//	defer q.Close()
//	monitor, memory := q.QMP(), q.QTest()
//
// The two are net.Conns to hand to a client. They are ends of a [net.Pipe], so
// that time-outs can be tested in a testing/synctest bubble; [QEMU.ServeQMP] and
// [QEMU.ServeQTest] speak on any other connection.
//
// # What it does by itself
//
// QMP: the greeting with out-of-band, the eight requests in flight, ids, errors and
// classes, and the commands listed in [QEMU.Handle], with the events that they
// cause. A migration goes through its statuses in [Config.StatusTime]; joined to another
// fake with [QEMU.MigrateTo], it takes the memory along.
//
// qtest: every request of QEMU's server on x86_64, over a sparse memory. It is as strict:
// where QEMU would abort or crash, the fake closes all its connections and
// says why in [QEMU.Aborted].
//
// # What a test adds
//
// [QEMU.Handle] and [QEMU.HandleQTest] script replies; [QEMU.Emit], [QEMU.Flood] and
// [QEMU.IRQ] speak unasked; a [Fault] delays, splits, drops, replaces, cuts or hangs
// what the fake sends. [QEMU.Commands] and [QEMU.Requests] say what was asked.
// [Replay] answers as a recorded QEMU did.
//
// It imports neither of the client packages, so those can use it in their tests. All
// methods may be called from many goroutines.
package fakeqemu
