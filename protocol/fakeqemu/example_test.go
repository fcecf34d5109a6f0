package fakeqemu_test

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// A test of what talks to QEMU starts a fake, hands out its connections, and
// asks it afterwards what it was told.
func Example() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()

	err := s.Writeb(context.Background(), 0x100000, 7)
	fmt.Println(err, q.Requests())
	// Output: <nil> [writeb 0x100000 0x7]
}

func ExampleQEMU_Inject() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()

	q.Inject(fakeqemu.Fault{Replace: []byte("HTTP/1.1 400 Bad Request\n")})
	fmt.Println(s.Outb(context.Background(), 0x80, 1))
	// Output: qtest: session ended: the peer does not speak qtest: a line that is no reply: "HTTP/1.1 400 Bad Request"
}
