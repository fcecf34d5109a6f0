package qtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// FuzzReplies answers with any bytes: nothing panics, nothing hangs, and the session
// either goes on or ends with its typed error.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{
		"OK 0x0012\n", "OK\n", "IRQ raise 5\nOK 0x1\n", "FAIL Unknown command 'x'\n", "OK AAECAw==\n",
		"ERR invalid argument size\n", "IRQ lower 99999999999999999999\n", "OK 0x\n", "\n\n\n", "OK 18446744073709551616\n", "OK AA\r\nAA==\n",
	} {
		f.Add([]byte(s), byte(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, split byte) {
		client, server := net.Pipe()
		defer server.Close()
		s := qtest.New(client, qtest.Options{EventLog: 4})
		defer s.Close()
		go io.Copy(io.Discard, server)
		go func() {
			defer server.Close()
			step := int(split)%16 + 1
			for rest := data; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := server.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		b := s.Batch()
		b.Readb(1)
		b.ReadMemory(1, make([]byte, 4))
		b.Memset(0, 1, 1)
		_ = b.Do(ctx)
		_, err := s.Readb(ctx, 0)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("hangs")
		}
		<-s.Done()
		if _, ok := errors.AsType[*qtest.ClosedError](s.Err()); !ok {
			t.Fatalf("%v", s.Err())
		}
	})
}

// FuzzArguments calls everything with any arguments: what isn't refused here, a
// server as strict as QEMU accepts, as one request of the words that it was.
func FuzzArguments(f *testing.F) {
	f.Add(byte(0), uint64(0x100000), uint64(4096), "ioapic", "unnamed-gpio-in", int64(1))
	f.Add(byte(1), uint64(1<<64-1), uint64(2), "", " ", int64(-1))
	f.Add(byte(5), uint64(0xffff), uint64(1<<63), "a b", "x\nread 0 0", int64(1<<40))
	f.Add(byte(9), uint64(0), uint64(0), "/machine", "ioapic", int64(24))
	f.Fuzz(func(t *testing.T, which byte, a, b uint64, word, other string, n int64) {
		q := fakeqemu.New(fakeqemu.Config{Memory: 1 << 20, Clock: which&0x80 != 0, NoCPU: which&0x40 != 0})
		defer q.Close()
		s := qtest.New(q.QTest(), qtest.Options{Machine: machineOf(q, word)})
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		data := make([]byte, b%100000)
		calls := []func() error{
			func() error { _, err := s.Inl(ctx, uint16(a)); return err },
			func() error { return s.Outw(ctx, uint16(a), uint16(b)) },
			func() error { _, err := s.Readw(ctx, a); return err },
			func() error { return s.Writeq(ctx, a, b) },
			func() error { return s.ReadMemory(ctx, a, data) },
			func() error { return s.WriteMemory(ctx, a, data) },
			func() error { return s.Memset(ctx, a, b%(40<<20), byte(n)) },
			func() error { _, err := s.ReadEach(ctx, []uint64{a, b, uint64(n)}); return err },
			func() error { return s.InterceptIn(ctx, word) },
			func() error { return s.InterceptOutNamed(ctx, word, other) },
			func() error { return s.SetIRQIn(ctx, word, other, int(n), int32(b)) },
			func() error { return s.ModuleLoad(ctx, word, other) },
			func() error { _, err := s.RTAS(ctx, word, int(n), a, int(b), b); return err },
			func() error { _, err := s.ClockStep(ctx, time.Duration(n)); return err },
			func() error { _, err := s.ClockSet(ctx, time.Duration(n)); return err },
			func() error { _, err := s.Memory(ctx).ReadAt(data, n); return err },
			func() error {
				batch := s.Batch()
				r := batch.ReadMemory(a, data)
				batch.Memset(a, b, 1)
				batch.Writel(b, 1)
				return errors.Join(batch.Do(ctx), r.Err)
			},
		}
		index := int(which&0x3f) % len(calls)
		err := calls[index]()
		if crash := q.Aborted(); crash != "" {
			t.Fatalf("QEMU would have crashed: %s", crash)
		}
		if _, ended := errors.AsType[*qtest.ClosedError](err); ended || errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if _, refused := errors.AsType[*qtest.ArgumentError](err); refused && len(q.Requests()) > 0 && index < len(calls)-1 { // the last is a batch
			t.Fatalf("refused, and sent %q", q.Requests())
		}
		for _, r := range q.Requests() {
			if strings.Contains(r, "  ") || strings.HasSuffix(r, " ") || strings.ContainsAny(r, "\x00\r\t") {
				t.Fatalf("sent %q", r)
			}
		}
	})
}

// machineOf answers for the fake's devices, and makes of word an object that
// is no device.
func machineOf(q *fakeqemu.QEMU, word string) qtest.Machine {
	return qtest.Machine{
		HasCPU: func(context.Context) (bool, error) { return !q.Config().NoCPU, nil },
		Properties: func(_ context.Context, path string) ([]qtest.Property, error) {
			lines, ok := q.Config().Devices[path]
			if !ok {
				return []qtest.Property{{Name: "type", Type: "string"}, {Name: word + "[0]", Type: "child<irq>"}}, nil
			}
			list := []qtest.Property{{Name: "hotpluggable", Type: "bool"}, {Name: path + "[0]", Type: "child<memory-region>"}}
			for range lines {
				list = append(list, qtest.Property{Name: "unnamed-gpio-in[0]", Type: "child<irq>"})
			}
			return list, nil
		},
	}
}
