package qtest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

const ram = 0x100000 // where the guest has memory that nobody uses

func TestIntegersAreInGuestByteOrder(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		require.NoError(t, s.Writeq(ctx, ram, 0x1122334455667788))
		b, err := s.Readb(ctx, ram)
		require.NoError(t, err)
		require.EqualValues(t, 0x88, b)
		w, err := s.Readw(ctx, ram+1)
		require.NoError(t, err)
		require.EqualValues(t, 0x6677, w)
		l, err := s.Readl(ctx, ram+4)
		require.NoError(t, err)
		require.EqualValues(t, 0x11223344, l)
		require.NoError(t, s.Writeb(ctx, ram, 0xff))
		require.NoError(t, s.Writew(ctx, ram+2, 0xeeee))
		require.NoError(t, s.Writel(ctx, ram+4, 0xdddddddd))
		q, err := s.Readq(ctx, ram)
		require.NoError(t, err)
		require.EqualValues(t, uint64(0xddddddddeeee77ff), q)
	})
}

func TestBigEndianGuest(t *testing.T) {
	s, ctx := startFake(t, fakeqemu.Config{BigEndian: true}).session(t, qtest.Options{}), t.Context()
	order, err := s.ByteOrder(ctx)
	require.NoError(t, err)
	require.Equal(t, binary.BigEndian, order)
	require.NoError(t, s.Writel(ctx, ram, 0x11223344))
	p := make([]byte, 4)
	require.NoError(t, s.ReadMemory(ctx, ram, p))
	require.Equal(t, []byte{0x11, 0x22, 0x33, 0x44}, p)
	w, err := s.Readw(ctx, ram+2)
	require.NoError(t, err)
	require.EqualValues(t, 0x3344, w)
}

func TestByteOrderIsAskedOnce(t *testing.T) {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()
	for range 3 {
		order, err := s.ByteOrder(t.Context())
		require.NoError(t, err)
		require.Equal(t, binary.LittleEndian, order)
	}
	require.Equal(t, []string{"endianness"}, q.Requests())
}

func TestMemoryOfEverySize(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		random := rand.NewChaCha8([32]byte{})
		for _, size := range []int{0, 1, 2, 3, 4, 12287, 12288, 12289, 49151, 49152, 49153, 100000, 3 << 20} {
			require.NoError(t, s.Memset(ctx, ram, uint64(size)+32, 0x5a))
			want := make([]byte, size)
			random.Read(want)
			n, err := s.Memory(ctx).WriteAt(want, ram+16)
			require.NoError(t, err)
			require.Equal(t, size, n)
			got := make([]byte, size+32)
			n, err = s.Memory(ctx).ReadAt(got, ram)
			require.NoError(t, err)
			require.Equal(t, size+32, n)
			require.True(t, bytes.Equal(want, got[16:size+16]), "%d bytes", size)
			require.Equal(t, strings.Repeat("Z", 16), string(got[:16]))
			require.Equal(t, strings.Repeat("Z", 16), string(got[size+16:]))
		}
	})
}

func TestMemoryIsAnOrdinaryReader(t *testing.T) {
	s, ctx := startFake(t, fakeqemu.Config{}).session(t, qtest.Options{}), t.Context()
	require.NoError(t, s.WriteMemory(ctx, ram, []byte("the quick brown fox")))
	all, err := io.ReadAll(io.NewSectionReader(s.Memory(ctx), ram+4, 5))
	require.NoError(t, err)
	require.Equal(t, "quick", string(all))
}

func TestMemsetLargerThanOnePiece(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		require.NoError(t, s.Memset(ctx, ram, 40<<20+1, 7))
		v, err := s.ReadEach(ctx, []uint64{ram, ram + 16<<20 - 1, ram + 16<<20, ram + 40<<20, ram + 40<<20 + 1})
		require.NoError(t, err)
		require.Equal(t, []byte{7, 7, 7, 7, 0}, v)
	})
}

func TestReadEachKeepsItsOrder(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		const pages = 25344
		var addrs []uint64
		for i := range uint64(pages) {
			addrs = append(addrs, ram+i*4096)
		}
		writes := s.Batch()
		for i, a := range addrs {
			if i%97 == 0 {
				writes.Writeb(a, byte(i/97))
			}
		}
		require.NoError(t, writes.Do(ctx))
		got, err := s.ReadEach(ctx, addrs)
		require.NoError(t, err)
		for i, v := range got {
			want := byte(0)
			if i%97 == 0 {
				want = byte(i / 97)
			}
			if v != want {
				t.Fatalf("page %d: %d instead of %d", i, v, want)
			}
		}
		none, err := s.ReadEach(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestPorts(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		// The byte behind index 0x50 of the battery-backed memory is nobody's.
		for _, v := range []byte{0x12, 0x34} {
			require.NoError(t, s.Outb(ctx, 0x70, 0x50))
			require.NoError(t, s.Outb(ctx, 0x71, v))
			got, err := s.Inb(ctx, 0x71)
			require.NoError(t, err)
			require.Equal(t, v, got)
		}
		// The last port is read and written at every width; what is there is the
		// machine's affair.
		_, err := s.Inw(ctx, 0xffff)
		require.NoError(t, err)
		_, err = s.Inl(ctx, 0xffff)
		require.NoError(t, err)
		require.NoError(t, s.Outw(ctx, 0xffff, 0xffff))
		require.NoError(t, s.Outl(ctx, 0xffff, 0xffffffff))
		require.Empty(t, p.crashed())
	})
}

func TestBatchGivesEachItsOwnResult(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		big, back := bytes.Repeat([]byte("drover"), 40000), make([]byte, 240000)
		b := s.Batch()
		wrote := b.WriteMemory(ram, big)
		over := b.Readq(1<<64 - 4)
		q := b.Readl(ram)
		read := b.ReadMemory(ram, back)
		set := b.Memset(ram, 4, 0xaa)
		after := b.Readw(ram)
		huge := b.Memset(ram, 1<<40, 0)
		empty := b.ReadMemory(ram, nil)
		for _, err := range []error{wrote.Err, q.Err, read.Err, set.Err, after.Err} {
			require.ErrorIs(t, err, qtest.ErrNotDone)
		}
		require.NoError(t, b.Do(ctx))
		for _, err := range []error{wrote.Err, q.Err, read.Err, set.Err, after.Err, empty.Err} {
			require.NoError(t, err)
		}
		for _, err := range []error{over.Err, huge.Err} {
			_, ok := errors.AsType[*qtest.ArgumentError](err)
			require.True(t, ok, "%v", err)
		}
		require.EqualValues(t, binary.LittleEndian.Uint32([]byte("drov")), q.Value)
		require.True(t, bytes.Equal(big, read.Value))
		require.EqualValues(t, 0xaaaa, after.Value)
		require.Zero(t, b.Len())
		require.NoError(t, b.Do(ctx))
	})
}

func TestInterruptsAreALog(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		require.NoError(t, s.InterceptIn(ctx, "ioapic"))
		require.NoError(t, s.InterceptIn(ctx, "ioapic"))
		before := s.Mark()
		for _, level := range []int32{1, 0, 1} {
			require.NoError(t, s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 7, level))
		}
		// They came before anyone waited, and two readers see them alike.
		for range 2 {
			var got []bool
			for irq, err := range s.IRQs(ctx, before) {
				require.NoError(t, err)
				require.Equal(t, 7, irq.Line)
				require.WithinDuration(t, time.Now(), irq.Time, time.Minute)
				if got = append(got, irq.Raised); len(got) == 3 {
					break
				}
			}
			require.Equal(t, []bool{true, false, true}, got)
		}
		low, err := s.WaitIRQ(ctx, before, func(i qtest.IRQ) bool { return !i.Raised })
		require.NoError(t, err)
		next, err := s.WaitIRQ(ctx, low.Next(), nil)
		require.NoError(t, err)
		require.True(t, next.Raised)
	})
}

func TestNamedOutputs(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		err := s.InterceptOutNamed(ctx, "ioapic", "nosuch")
		if errors.Is(err, qtest.ErrNoNamedOutputs) {
			require.True(t, p.real)
			return
		}
		refused, ok := errors.AsType[*qtest.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "irq_intercept_out", refused.Command)
	})
}

func TestClockIsProbed(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		has, err := s.HasClock(ctx)
		require.NoError(t, err)
		require.False(t, has, "these run under TCG")
		for _, step := range []func() (time.Duration, error){
			func() (time.Duration, error) { return s.ClockStep(ctx, time.Second) },
			func() (time.Duration, error) { return s.ClockSet(ctx, time.Second) },
			func() (time.Duration, error) { return s.ClockStepNext(ctx) },
		} {
			_, err := step()
			require.ErrorIs(t, err, qtest.ErrNoClock)
			_, ok := errors.AsType[*qtest.Error](err)
			require.True(t, ok)
		}
	})
}

func TestClockMovesWhereItCan(t *testing.T) {
	s, ctx := startFake(t, fakeqemu.Config{Clock: true}).session(t, qtest.Options{}), t.Context()
	now, err := s.ClockStep(ctx, 3*time.Second)
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, now)
	now, err = s.ClockSet(ctx, time.Minute)
	require.NoError(t, err)
	require.Equal(t, time.Minute, now)
	has, err := s.HasClock(ctx)
	require.NoError(t, err)
	require.True(t, has)
}

func TestModuleThatIsNotThere(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		err := p.session(t, qtest.Options{}).ModuleLoad(t.Context(), "hw-", "nosuch")
		refused, ok := errors.AsType[*qtest.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "FAIL", refused.Status)
	})
}
