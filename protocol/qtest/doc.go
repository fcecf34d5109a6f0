// Package qtest speaks QEMU's qtest protocol: it reads and writes a guest's
// memory and I/O ports from outside, without the guest's help, and where the
// accelerator allows it moves the guest's clock and watches its interrupts.
//
// The server is in every QEMU, works beside any accelerator and while the
// guest runs or is stopped. QEMU offers it with
//
//	-qtest unix:PATH -qtest-log none          (QEMU connects to a listening socket)
//	-chardev socket,id=qtest,fd=N -object qtest,id=qtest0,chardev=qtest   (6.0 and newer)
//
// Package launcher starts a QEMU that has such a server, and hands out a session with
// it. By itself a [Session] takes a connection and owns it from then on:
//
//	listener, err := net.Listen("unix", path) // before QEMU is started with -qtest unix:path
//	conn, err := listener.Accept()            // when it has been
//	s := qtest.New(conn, qtest.Options{})
//	defer s.Close()
//	err = s.ReadMemory(ctx, 0x100000, page)
//
// # Contract
//
// A Session is safe for concurrent use. Requests go out in the order of the
// calls and many can be in flight: the server answers in order, so none waits
// for another's reply before it is sent.
//
// A context that ends abandons one call and nothing else: the call returns at
// once with the context's cause, its late reply is dropped, the session stays
// usable. Whether QEMU still carried out the request is then unknown.
//
// QEMU aborts, and the guest is lost, on a request that it can't parse and on
// many that it can: a read of no bytes, a fill larger than its heap, an
// interrupt line that a device doesn't have. No argument to a method of this package
// gets that far: it is refused with an [*ArgumentError] before a byte is sent.
//
// When the peer goes away or answers nonsense the session ends: every call
// that waits, and every later one, gets the same [*ClosedError].
//
// Addresses are guest-physical, sizes are bytes, times are nanoseconds of the
// guest's virtual clock.
package qtest
