package qtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// TestNoArgumentReachesQEMUThatWouldEndIt tries every way to lose the guest: each
// is refused here, and the guest is alive afterwards.
func TestNoArgumentReachesQEMUThatWouldEndIt(t *testing.T) {
	const top = 1<<64 - 1
	page := make([]byte, 4096)
	bad := map[string]func(ctx context.Context, s *qtest.Session) error{
		"read over the end":  func(ctx context.Context, s *qtest.Session) error { return s.ReadMemory(ctx, top-10, page) },
		"write over the end": func(ctx context.Context, s *qtest.Session) error { return s.WriteMemory(ctx, top-10, page) },
		"fill over the end":  func(ctx context.Context, s *qtest.Session) error { return s.Memset(ctx, top-10, 12, 0) },
		"readw at the end":   func(ctx context.Context, s *qtest.Session) error { _, err := s.Readw(ctx, top); return err },
		"readl at the end":   func(ctx context.Context, s *qtest.Session) error { _, err := s.Readl(ctx, top-2); return err },
		"readq at the end":   func(ctx context.Context, s *qtest.Session) error { _, err := s.Readq(ctx, top-6); return err },
		"writeq at the end":  func(ctx context.Context, s *qtest.Session) error { return s.Writeq(ctx, top-6, 0) },
		"negative offset": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.Memory(ctx).ReadAt(page, -1)
			return err
		},
		"negative write": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.Memory(ctx).WriteAt(page, -1)
			return err
		},
		"no path":           func(ctx context.Context, s *qtest.Session) error { return s.InterceptIn(ctx, "") },
		"path of two words": func(ctx context.Context, s *qtest.Session) error { return s.InterceptOut(ctx, "ioapic x") },
		"path of two lines": func(ctx context.Context, s *qtest.Session) error { return s.InterceptIn(ctx, "ioapic\nread 0 0") },
		"path with NUL":     func(ctx context.Context, s *qtest.Session) error { return s.InterceptIn(ctx, "ioapic\x00") },
		"path of a megabyte": func(ctx context.Context, s *qtest.Session) error {
			return s.InterceptIn(ctx, strings.Repeat("a", 1<<20))
		},
		"object, no device":   func(ctx context.Context, s *qtest.Session) error { return s.InterceptIn(ctx, "/machine") },
		"output of no device": func(ctx context.Context, s *qtest.Session) error { return s.InterceptOut(ctx, "/machine") },
		"no output name":      func(ctx context.Context, s *qtest.Session) error { return s.InterceptOutNamed(ctx, "ioapic", "") },
		"input of no device": func(ctx context.Context, s *qtest.Session) error {
			return s.SetIRQIn(ctx, "/machine", qtest.UnnamedInputs, 0, 1)
		},
		"one line too far": func(ctx context.Context, s *qtest.Session) error {
			return s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 24, 1)
		},
		"negative line": func(ctx context.Context, s *qtest.Session) error {
			return s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, -1, 1)
		},
		"huge line": func(ctx context.Context, s *qtest.Session) error {
			return s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 1<<40, 1)
		},
		"no such list":        func(ctx context.Context, s *qtest.Session) error { return s.SetIRQIn(ctx, "ioapic", "nosuch", 0, 1) },
		"list that is memory": func(ctx context.Context, s *qtest.Session) error { return s.SetIRQIn(ctx, "ioapic", "ioapic", 0, 1) },
		"list of no name":     func(ctx context.Context, s *qtest.Session) error { return s.SetIRQIn(ctx, "ioapic", "", 0, 1) },
		"clock backwards":     func(ctx context.Context, s *qtest.Session) error { _, err := s.ClockStep(ctx, -1); return err },
		"clock before start":  func(ctx context.Context, s *qtest.Session) error { _, err := s.ClockSet(ctx, -1); return err },
		"module without name": func(ctx context.Context, s *qtest.Session) error { return s.ModuleLoad(ctx, "hw-", "") },
		"module by path":      func(ctx context.Context, s *qtest.Session) error { return s.ModuleLoad(ctx, "../../tmp/", "x") },
		"module of two words": func(ctx context.Context, s *qtest.Session) error { return s.ModuleLoad(ctx, "hw-", "a b") },
		"RTAS on another": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.RTAS(ctx, "x", 0, 0, 1, ram)
			return err
		},
		"RTAS of many words": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.RTAS(ctx, "x", 17, 0, 1, ram)
			return err
		},
		"RTAS of fewer than 0": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.RTAS(ctx, "x", 0, 0, -1, ram)
			return err
		},
		"RTAS over the end": func(ctx context.Context, s *qtest.Session) error {
			_, err := s.RTAS(ctx, "x", 0, 0, 2, top-6)
			return err
		},
	}
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		for name, call := range bad {
			err := call(ctx, s)
			refused, ok := errors.AsType[*qtest.ArgumentError](err)
			require.True(t, ok, "%s: %v", name, err)
			require.Less(t, len(refused.Error()), 400, name)
			_, err = s.Readb(ctx, ram)
			require.NoError(t, err, "after %s: %s", name, p.crashed())
		}
		// What looks odd and is allowed.
		_, err := s.Readq(ctx, top-7)
		require.NoError(t, err)
		require.NoError(t, s.Memset(ctx, top, 0, 0))
		require.NoError(t, s.ReadMemory(ctx, top, nil))
		require.NoError(t, s.WriteMemory(ctx, 0, nil))
		require.NoError(t, s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 23, -1<<31))
		require.Empty(t, p.crashed())
	})
}

func TestNamesThatQOMDoesNotKnow(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		require.ErrorContains(t, s.InterceptIn(ctx, "nosuch"), "nosuch")
		require.ErrorContains(t, s.SetIRQIn(ctx, "nosuch", "x", 0, 1), "nosuch")
		require.Empty(t, p.crashed())
	})
}

func TestMachineWithoutCPU(t *testing.T) {
	check := func(t *testing.T, p *peer) {
		s, ctx := p.session(t, qtest.Options{}), t.Context()
		_, err := s.Readb(ctx, 0)
		_, eachErr := s.ReadEach(ctx, []uint64{0})
		batch := s.Batch()
		batch.Writeq(0, 1)
		for _, err := range []error{err, eachErr, s.Writeb(ctx, 0, 1), s.ReadMemory(ctx, 0, make([]byte, 1)), batch.Do(ctx)} {
			_, ok := errors.AsType[*qtest.ArgumentError](err)
			require.True(t, ok, "%v", err)
		}
		_, err = s.Inb(ctx, 0x80)
		require.NoError(t, err)
		require.Empty(t, p.crashed())
	}
	t.Run("fake", func(t *testing.T) { check(t, startFake(t, fakeqemu.Config{NoCPU: true})) })
	for _, b := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, b), func(t *testing.T) { check(t, startQEMU(t, b, "-machine", "none")) })
	}
}

func TestDevicesNeedSomebodyToAsk(t *testing.T) {
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	s := qtest.New(q.QTest(), qtest.Options{})
	defer s.Close()
	_, rtas := s.RTAS(t.Context(), "get-time-of-day", 0, 0, 8, ram)
	for _, err := range []error{s.InterceptIn(t.Context(), "ioapic"), s.SetIRQIn(t.Context(), "ioapic", "x", 0, 0), rtas} {
		_, ok := errors.AsType[*qtest.ArgumentError](err)
		require.True(t, ok, "%v", err)
	}
	require.Empty(t, q.Requests())
}

func TestDeviceWithMoreLinesThanTheServerHasRoomFor(t *testing.T) {
	p := startFake(t, fakeqemu.Config{Devices: map[string]int{"gic": 257, "pic": 256}})
	s := p.session(t, qtest.Options{})
	_, ok := errors.AsType[*qtest.ArgumentError](s.InterceptIn(t.Context(), "gic"))
	require.True(t, ok)
	require.NoError(t, s.InterceptIn(t.Context(), "pic"))
}
