package qtest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
	"github.com/drover-vm/drover/protocol/transcript"
)

var update = flag.Bool("update", false, "record the transcripts again, with each QEMU that DROVER_FLEET or DROVER_QEMU names")

// conversations are recorded from real QEMUs and replayed where
// none is. Each asks the same each time, and looks at what it gets.
var conversations = map[string]func(t *testing.T, ctx context.Context, s *qtest.Session){
	"memory": func(t *testing.T, ctx context.Context, s *qtest.Session) {
		order, err := s.ByteOrder(ctx)
		require.NoError(t, err)
		require.Equal(t, "LittleEndian", order.String())
		require.NoError(t, s.Memset(ctx, ram, 4096, 0x5a))
		want := []byte("moved without losing one")
		require.NoError(t, s.WriteMemory(ctx, ram+100, want))
		got := make([]byte, len(want)+2)
		require.NoError(t, s.ReadMemory(ctx, ram+99, got))
		require.Equal(t, "Z"+string(want)+"Z", string(got))
		require.NoError(t, s.Writeq(ctx, ram, 0x1122334455667788))
		w, err := s.Readw(ctx, ram+6)
		require.NoError(t, err)
		require.EqualValues(t, 0x1122, w)
		each, err := s.ReadEach(ctx, []uint64{ram, ram + 7, ram + 4096})
		require.NoError(t, err)
		require.Equal(t, []byte{0x88, 0x11, 0}, each)
	},
	"interrupts": func(t *testing.T, ctx context.Context, s *qtest.Session) {
		require.NoError(t, s.InterceptIn(ctx, "ioapic"))
		from := s.Mark()
		require.NoError(t, s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 9, 1))
		require.NoError(t, s.SetIRQIn(ctx, "ioapic", qtest.UnnamedInputs, 9, 0))
		low, err := s.WaitIRQ(ctx, from, func(i qtest.IRQ) bool { return !i.Raised })
		require.NoError(t, err)
		require.Equal(t, 9, low.Line)
		require.Equal(t, from+1, low.Place)
		refused, ok := errors.AsType[*qtest.Error](s.InterceptOut(ctx, "/machine/unattached/device[0]"))
		require.True(t, ok)
		require.Equal(t, "FAIL", refused.Status)
	},
	"refused": func(t *testing.T, ctx context.Context, s *qtest.Session) {
		has, err := s.HasClock(ctx)
		require.NoError(t, err)
		require.False(t, has)
		_, ok := errors.AsType[*qtest.Error](s.ModuleLoad(ctx, "hw-", "nosuch"))
		require.True(t, ok)
		require.NoError(t, s.Outb(ctx, 0x70, 0x50))
		require.NoError(t, s.Outb(ctx, 0x71, 0x2a))
		v, err := s.Inb(ctx, 0x71)
		require.NoError(t, err)
		require.EqualValues(t, 0x2a, v)
	},
}

// anyDevice takes the place of a monitor where a transcript is replayed.
func anyDevice(context.Context, string) ([]qtest.Property, error) {
	list := []qtest.Property{{Name: "hotpluggable", Type: "bool"}}
	for range 24 {
		list = append(list, qtest.Property{Name: qtest.UnnamedInputs + "[]", Type: "child<irq>"})
	}
	return list, nil
}

func converse(t *testing.T, conn net.Conn, o qtest.Options, conversation func(*testing.T, context.Context, *qtest.Session)) {
	o.Machine.Properties = anyDevice
	s := qtest.New(conn, o)
	defer s.Close()
	conversation(t, t.Context(), s)
}

// TestConversationsOnEveryPeer holds them against what is there today.
func TestConversationsOnEveryPeer(t *testing.T) {
	for name, conversation := range conversations {
		t.Run(name, func(t *testing.T) {
			onEveryPeer(t, func(t *testing.T, p *peer) { converse(t, p.conn, qtest.Options{}, conversation) })
		})
	}
}

// TestTranscripts replays what real QEMUs answered, and with -update records it.
func TestTranscripts(t *testing.T) {
	const dir = "testdata/transcripts"
	if *update {
		for _, binary := range qemutest.Binaries(t, "x86_64") {
			for name, conversation := range conversations {
				var b bytes.Buffer
				w := transcript.NewWriter(&b)
				converse(t, startQEMU(t, binary).conn, qtest.Options{Trace: w.Trace}, conversation)
				require.NoError(t, w.Err())
				path := filepath.Join(dir, qemutest.Version(t, binary), name+".txt")
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
			}
		}
	}
	for name, conversation := range conversations {
		files, err := filepath.Glob(filepath.Join(dir, "*", name+".txt"))
		require.NoError(t, err)
		require.NotEmpty(t, files, "no transcript of %s; record one with -update and DROVER_QEMU", name)
		for _, path := range files {
			t.Run(path, func(t *testing.T) {
				f, err := os.Open(path)
				require.NoError(t, err)
				defer f.Close()
				messages, err := transcript.Read(f)
				require.NoError(t, err)
				conn, replay := fakeqemu.Replay(messages)
				converse(t, conn, qtest.Options{}, conversation)
				require.NoError(t, replay.Wait())
			})
		}
	}
}
