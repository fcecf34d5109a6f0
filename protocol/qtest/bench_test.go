package qtest_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qtest"
)

// onEachQEMU runs a benchmark on each real QEMU there is.
func onEachQEMU(b *testing.B, body func(b *testing.B, s *qtest.Session)) {
	for _, path := range qemutest.Binaries(b, "x86_64") {
		b.Run(qemutest.Version(b, path), func(b *testing.B) {
			p := startQEMU(b, path)
			body(b, p.session(b, qtest.Options{}))
		})
	}
}

// timed returns how long f takes, at best of three times.
func timed(b *testing.B, f func() error) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range 3 {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkReadEach reads one byte of each of 25,344 pages, and says what that
// is compared with one request at a time.
func BenchmarkReadEach(b *testing.B) {
	onEachQEMU(b, func(b *testing.B, s *qtest.Session) {
		addrs := make([]uint64, 25344)
		for i := range addrs {
			addrs[i] = ram + uint64(i)*4096
		}
		each := func() error { _, err := s.ReadEach(b.Context(), addrs); return err }
		slow := timed(b, func() error {
			for _, a := range addrs {
				if _, err := s.Readb(b.Context(), a); err != nil {
					return err
				}
			}
			return nil
		})
		fast := timed(b, each)
		for b.Loop() {
			if err := each(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(slow.Seconds(), "s-one-at-a-time")
		b.ReportMetric(float64(fast)/float64(slow), "x-one-at-a-time")
	})
}

// BenchmarkReadMemory reads 99 MiB, and says what that is compared with the
// best of all the ways that the protocol has.
func BenchmarkReadMemory(b *testing.B) {
	benchmarkMemory(b, (*qtest.Session).TryRead, (*qtest.Session).ReadMemory, "read")
}

// BenchmarkWriteMemory is the other way round, with an eighth as much.
func BenchmarkWriteMemory(b *testing.B) {
	benchmarkMemory(b, (*qtest.Session).TryWrite, (*qtest.Session).WriteMemory, "write")
}

func benchmarkMemory(b *testing.B, try qtest.Trial, ours qtest.Transfer, verb string) {
	onEachQEMU(b, func(b *testing.B, s *qtest.Session) {
		p := make([]byte, 99<<20)
		if verb == "write" {
			p = p[:len(p)/8]
		}
		for i := range p {
			p[i] = byte(i * 7)
		}
		if err := s.WriteMemory(b.Context(), ram, p); err != nil {
			b.Fatal(err)
		}
		type way struct {
			command string
			piece   uint64
			window  int
			took    time.Duration
		}
		var ways []way
		for _, command := range []string{"b64" + verb, verb} {
			for _, piece := range []uint64{768, 3 << 10, 12 << 10, 24 << 10, 48 << 10, 96 << 10, 192 << 10} {
				for _, window := range []int{1, 4, 16} {
					part := p[:len(p)/16]
					took := timed(b, func() error { return try(s, b.Context(), command, part, piece, window) })
					ways = append(ways, way{command, piece, window, took})
				}
			}
		}
		// The best of them on a part once more on all of it, which no cache holds.
		slices.SortFunc(ways, func(a, b way) int { return cmp.Compare(a.took, b.took) })
		best, how := time.Hour, ""
		for _, w := range ways[:5] {
			took := timed(b, func() error { return try(s, b.Context(), w.command, p, w.piece, w.window) })
			if took < best {
				best, how = took, fmt.Sprintf("%s in %d-byte pieces, %d in flight", w.command, w.piece, w.window)
			}
		}
		mine := timed(b, func() error { return ours(s, b.Context(), ram, p) })
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			if err := ours(s, b.Context(), ram, p); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(mine)/float64(best), "x-best")
		b.Logf("%d MiB: best %.3f s with %s; ours %.3f s", len(p)>>20, best.Seconds(), how, mine.Seconds())
	})
}

// TestAllocations holds what a request costs: at most three allocations.
func TestAllocations(t *testing.T) {
	p := startEcho(t) // which allocates nothing
	s, ctx := p.session(t, qtest.Options{}), t.Context()
	page := make([]byte, 4096)
	for name, call := range map[string]func() error{
		"readb":       func() error { _, err := s.Readb(ctx, ram); return err },
		"outb":        func() error { return s.Outb(ctx, 0x80, 1) },
		"ReadMemory":  func() error { return s.ReadMemory(ctx, ram, page) },
		"WriteMemory": func() error { return s.WriteMemory(ctx, ram, page) },
	} {
		got := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		})
		if got > 3 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
