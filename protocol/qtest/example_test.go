package qtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// Where QEMU was started with a qtest server, conn is the connection to it; the
// examples talk to a fake.
func Example() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	conn, ctx := q.QTest(), context.Background()

	s := qtest.New(conn, qtest.Options{})
	defer s.Close()
	if err := s.WriteMemory(ctx, 0x100000, []byte("hello, guest")); err != nil {
		fmt.Println(err)
		return
	}
	p := make([]byte, 5)
	if err := s.ReadMemory(ctx, 0x100007, p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", p)
	// Output: guest
}

func ExampleSession_ReadEach() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()
	q.WriteMemory(0x101000, []byte{7})

	firstBytes, err := s.ReadEach(context.Background(), []uint64{0x100000, 0x101000, 0x102000})
	fmt.Println(firstBytes, err)
	// Output: [0 7 0] <nil>
}

func ExampleSession_Batch() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()

	b := s.Batch()
	b.Outb(0x70, 0x0f)
	reason := b.Inb(0x71)
	beyond := b.Readq(1<<64 - 1)
	if err := b.Do(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reason.Value, reason.Err)
	fmt.Println(beyond.Err)
	// Output:
	// 0 <nil>
	// qtest: readq: address 0xffffffffffffffff: with a size of 8 bytes it runs over the end of the 64-bit address space
}

func ExampleSession_WaitIRQ() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	from := s.Mark()
	q.IRQ(4, true) // the device does this
	irq, err := s.WaitIRQ(ctx, from, func(i qtest.IRQ) bool { return i.Line == 4 })
	fmt.Println(irq.Line, irq.Raised, err)
	// Output: 4 true <nil>
}

// A session asks a monitor what qtest itself can't tell, so that no request
// about devices can end QEMU.
func ExampleMachine() {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	// With a QMP session m:
	//
	//	Properties: func(ctx context.Context, path string) (list []qtest.Property, err error) {
	//		err = m.Execute(ctx, "qom-list", map[string]string{"path": path}, &list)
	//		return list, err
	//	},
	properties := func(context.Context, string) ([]qtest.Property, error) {
		return []qtest.Property{{Name: "hotpluggable", Type: "bool"}, {Name: "unnamed-gpio-in[0]", Type: "child<irq>"}}, nil
	}
	s := qtest.New(q.QTest(), qtest.Options{Machine: qtest.Machine{Properties: properties}})
	defer s.Close()

	fmt.Println(s.SetIRQIn(context.Background(), "ioapic", qtest.UnnamedInputs, 24, 1))
	// Output: qtest: set_irq_in: line 24: is none of the 1 inputs in the list unnamed-gpio-in of ioapic: QEMU would abort
}
