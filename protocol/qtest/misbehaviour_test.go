package qtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qtest"
)

// fake starts a fake and a session with it, both ended with the test.
func fake(t *testing.T, o qtest.Options) (*fakeqemu.QEMU, *qtest.Session) {
	q := fakeqemu.New(fakeqemu.Config{})
	s := qtest.New(q.QTest(), o)
	t.Cleanup(func() { s.Close(); q.Close() })
	return q, s
}

// closed demands that err is the session's end, and returns its cause.
func closed(t *testing.T, err error) error {
	t.Helper()
	c, ok := errors.AsType[*qtest.ClosedError](err)
	require.True(t, ok, "%v", err)
	return c.Cause
}

func TestRepliesInPieces(t *testing.T) {
	for _, size := range []int{1, 2, 7} {
		q, s := fake(t, qtest.Options{})
		q.Inject(fakeqemu.Fault{Split: size, Times: -1, Before: []byte("IRQ raise 3\nIRQ lower 3\n")})
		v, err := s.ReadEach(t.Context(), []uint64{1, 2, 3})
		require.NoError(t, err)
		require.Equal(t, []byte{0, 0, 0}, v)
		require.EqualValues(t, 6, s.Mark())
	}
}

func TestNonsenseEndsTheSessionWithOneErrorForAll(t *testing.T) {
	for name, line := range map[string]string{
		"another protocol": `{"QMP": {}}`,
		"empty":            "",
		"binary":           "\x00\xff\xfe",
		"no number":        "OK zz",
		"too many digits":  "OK 0x11112222333344445",
		"no payload":       "OK",
		"two payloads":     "OK 0x1 0x2",
		"half an IRQ":      "IRQ raise",
		"odd IRQ":          "IRQ rise 5",
		"negative IRQ":     "IRQ raise -5",
		"lower case":       "ok 0x1",
	} {
		t.Run(name, func(t *testing.T) {
			q, s := fake(t, qtest.Options{})
			q.Inject(fakeqemu.Fault{Replace: []byte(line + "\n")})
			var work sync.WaitGroup
			errs := make([]error, 5)
			for i := range errs {
				work.Go(func() { _, errs[i] = s.Readb(t.Context(), ram) })
			}
			_, err := s.WaitIRQ(t.Context(), 0, nil)
			work.Wait()
			for _, e := range append(errs, s.Err()) {
				require.Same(t, err, e)
			}
			_, ok := errors.AsType[*qtest.ProtocolError](closed(t, err))
			require.True(t, ok, "%v", err)
			<-s.Done()
			require.Same(t, err, s.Outb(t.Context(), 1, 1))
		})
	}
}

func TestReplyToNothingEndsTheSession(t *testing.T) {
	client, server := net.Pipe()
	s := qtest.New(client, qtest.Options{})
	defer s.Close()
	go io.WriteString(server, "OK\n")
	<-s.Done()
	_, ok := errors.AsType[*qtest.ProtocolError](s.Err())
	require.True(t, ok)
}

func TestWrongAmountOfMemory(t *testing.T) {
	for _, payload := range []string{"", "AAAA", "AAAAAA==", "AAAAAAA=", "AAA=AAA=", "AA\r\nAA==", "====", "AAAAAAAAAAAA", "AAAAA==="} {
		q, s := fake(t, qtest.Options{})
		q.HandleQTest("b64read", func([]string) string { return "OK " + payload })
		err := s.ReadMemory(t.Context(), ram, make([]byte, 4))
		if payload == "AAAAAA==" {
			require.NoError(t, err)
			continue
		}
		_, ok := errors.AsType[*qtest.ProtocolError](err)
		require.True(t, ok, "%q: %v", payload, err)
	}
}

func TestLineWithoutAnEndIsBounded(t *testing.T) {
	client, server := net.Pipe()
	s := qtest.New(client, qtest.Options{})
	defer s.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent, err := io.Copy(server, io.LimitReader(neverEnding('A'), 64<<20))
	require.Error(t, err, "the session must not take %d bytes", sent)
	<-s.Done()
	runtime.ReadMemStats(&after)
	_, ok := errors.AsType[*qtest.ProtocolError](s.Err())
	require.True(t, ok)
	require.Less(t, len(s.Err().Error()), 300)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(b)}, len(p)))
	return len(p), nil
}

func TestEveryWayTheConnectionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakeqemu.Fault
		cause error
	}{
		"before the reply":    {fakeqemu.Fault{Close: true}, io.EOF},
		"in the middle of it": {fakeqemu.Fault{Close: true, Cut: 5}, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			q, s := fake(t, qtest.Options{})
			q.Inject(c.fault)
			_, err := s.Readb(t.Context(), ram)
			require.ErrorIs(t, closed(t, err), c.cause)
		})
	}
	t.Run("QEMU crashes", func(t *testing.T) {
		q, s := fake(t, qtest.Options{Explain: func(err error) error { return fmt.Errorf("signal 6 (%w)", err) }})
		q.HandleQTest("readb", func([]string) string { go q.Close(); <-q.Done(); return "" })
		_, err := s.Readb(t.Context(), ram)
		require.ErrorContains(t, closed(t, err), "signal 6")
		require.ErrorIs(t, err, io.EOF)
	})
	t.Run("nothing to explain", func(t *testing.T) {
		q, s := fake(t, qtest.Options{Explain: func(error) error { return nil }})
		q.Close()
		<-s.Done()
		require.ErrorIs(t, closed(t, s.Err()), io.EOF)
	})
	t.Run("Close here", func(t *testing.T) {
		q, s := fake(t, qtest.Options{Explain: func(error) error { panic("Close needs no explanation") }})
		q.Inject(fakeqemu.Fault{Hang: true})
		result := make(chan error)
		go func() { _, err := s.Readb(t.Context(), ram); result <- err }()
		for len(q.Requests()) == 0 {
			runtime.Gosched()
		}
		require.NoError(t, s.Close())
		require.ErrorIs(t, closed(t, <-result), net.ErrClosed)
		require.NoError(t, s.Close())
	})
	t.Run("write error", func(t *testing.T) {
		broken := errors.New("broken")
		client, _ := net.Pipe()
		s := qtest.New(writeErr{client, iotest.ErrReader(broken)}, qtest.Options{})
		defer s.Close()
		require.ErrorIs(t, s.Outb(t.Context(), 1, 1), broken)
	})
}

// writeErr is a connection that can't be written to.
type writeErr struct {
	net.Conn
	err io.Reader
}

func (w writeErr) Write([]byte) (int, error) { return w.err.Read(nil) }

func TestCancelledCallReturnsAtOnceAndTheSessionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s := fake(t, qtest.Options{})
		q.WriteMemory(ram, []byte{1, 2, 3})
		q.Inject(fakeqemu.Fault{Delay: time.Hour})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Readb(ctx, ram)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		// The late reply is not taken for the next one.
		v, err := s.Readb(t.Context(), ram+1)
		require.NoError(t, err)
		require.EqualValues(t, 2, v)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

func TestCancelledTransfersLeaveTheBufferAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s := fake(t, qtest.Options{})
		q.WriteMemory(ram, bytes.Repeat([]byte{9}, 1<<20))
		q.Inject(fakeqemu.Fault{Delay: time.Minute})
		p := make([]byte, 1<<20)
		b := s.Batch()
		r := b.ReadMemory(ram, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.ReadMemory(ctx, ram, p), context.DeadlineExceeded)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, b.Do(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, r.Err, context.DeadlineExceeded)
		v, err := s.Readb(t.Context(), ram)
		require.NoError(t, err)
		require.EqualValues(t, 9, v)
		require.Equal(t, make([]byte, 1<<20), p)
	})
}

func TestContextThatIsOverSendsNothing(t *testing.T) {
	q, s := fake(t, qtest.Options{})
	why := errors.New("the user pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	require.ErrorIs(t, s.Writeb(ctx, ram, 1), why)
	require.ErrorIs(t, s.Writeb(ctx, ram, 1), context.Canceled)
	require.ErrorIs(t, s.ReadMemory(ctx, ram, make([]byte, 9)), why)
	_, err := s.WaitIRQ(ctx, s.Mark(), nil)
	require.ErrorIs(t, err, why)
	require.Empty(t, q.Requests())
}

func TestCallThatEndsSaysThatItsTimeIsOverAndWhoseTimeItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe() // nobody reads
		defer server.Close()
		s := qtest.New(client, qtest.Options{})
		defer s.Close()
		why := errors.New("the 10s that the step may take are over")
		for name, call := range map[string]func(ctx context.Context) error{
			"Outb":       func(ctx context.Context) error { return s.Outb(ctx, 1, 1) },
			"Readl":      func(ctx context.Context) error { _, err := s.Readl(ctx, ram); return err },
			"ReadMemory": func(ctx context.Context) error { return s.ReadMemory(ctx, ram, make([]byte, 1<<20)) },
			"ReadEach":   func(ctx context.Context) error { _, err := s.ReadEach(ctx, []uint64{ram}); return err },
			"ByteOrder":  func(ctx context.Context) error { _, err := s.ByteOrder(ctx); return err },
			"ClockStep":  func(ctx context.Context) error { _, err := s.ClockStep(ctx, time.Second); return err },
			"WaitIRQ":    func(ctx context.Context) error { _, err := s.WaitIRQ(ctx, 0, nil); return err },
			"IRQs": func(ctx context.Context) error {
				var last error
				for _, err := range s.IRQs(ctx, 0) {
					last = err
				}
				return last
			},
			"Batch": func(ctx context.Context) error {
				b := s.Batch()
				r := b.Outb(1, 1)
				return errors.Join(b.Do(ctx), r.Err)
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, why)
			err := call(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorIs(t, err, why, name)
			require.ErrorContains(t, err, why.Error(), name)
		}
	})
}

func TestHungPeerDoesNotGrowTheQueueWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe() // nobody reads
		defer server.Close()
		s := qtest.New(client, qtest.Options{})
		defer s.Close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 1 << 15 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			require.ErrorIs(t, s.Outb(ctx, 1, 1), context.DeadlineExceeded)
			cancel()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20))
	})
}

// TestBothSidesFull writes much and reads much over a connection that holds
// next to nothing: a client that doesn't read while it writes would block.
func TestBothSidesFull(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		if u, ok := p.conn.(*net.UnixConn); ok {
			require.NoError(t, u.SetWriteBuffer(4096))
			require.NoError(t, u.SetReadBuffer(4096))
		}
		s := p.session(t, qtest.Options{})
		var work sync.WaitGroup
		for i := range 4 {
			work.Go(func() {
				data := bytes.Repeat([]byte{byte(i)}, 1<<20)
				b := s.Batch()
				addr := uint64(ram + i<<20)
				wrote, read := b.WriteMemory(addr, data), b.ReadMemory(addr, make([]byte, len(data)))
				if err := errors.Join(b.Do(t.Context()), wrote.Err, read.Err); err != nil || !bytes.Equal(data, read.Value) {
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		work.Wait()
	})
}

func TestManyCallersGetTheirOwnReplies(t *testing.T) {
	onEveryPeer(t, func(t *testing.T, p *peer) {
		s := p.session(t, qtest.Options{})
		var work sync.WaitGroup
		for i := range 32 {
			work.Go(func() {
				addr := uint64(ram + i*8)
				for n := range uint64(100) {
					want := uint64(i)<<32 | n
					err := s.Writeq(t.Context(), addr, want)
					got, err2 := s.Readq(t.Context(), addr)
					if err := errors.Join(err, err2); err != nil || got != want {
						t.Errorf("caller %d: %x instead of %x: %v", i, got, want, err)
						return
					}
				}
			})
		}
		work.Wait()
	})
}

func TestFloodOfInterruptsLosesHonestly(t *testing.T) {
	q, s := fake(t, qtest.Options{EventLog: 16})
	for i := range 50 {
		q.IRQ(5, i%2 == 0)
	}
	_, err := s.Readb(t.Context(), ram) // behind the flood
	require.NoError(t, err)
	var lost *qtest.LostError
	seen := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for irq, err := range s.IRQs(ctx, 0) {
		if errors.As(err, &lost) {
			continue
		}
		require.NoError(t, err)
		seen++
		if irq.Place == 49 {
			break
		}
	}
	require.EqualValues(t, 34, lost.Lost)
	require.Equal(t, 16, seen)
}

func TestRefusalIsNotTheEnd(t *testing.T) {
	q, s := fake(t, qtest.Options{})
	q.HandleQTest("inb", func([]string) string { return "FAIL not today" })
	q.HandleQTest("b64write", func([]string) string { return "ERR invalid argument size" })
	_, err := s.Inb(t.Context(), 1)
	require.Equal(t, &qtest.Error{Command: "inb", Status: "FAIL", Text: "not today"}, err)
	err = s.WriteMemory(t.Context(), ram, make([]byte, 100000))
	require.Equal(t, &qtest.Error{Command: "b64write", Status: "ERR", Text: "invalid argument size"}, err)
	_, err = s.Readb(t.Context(), 0)
	require.NoError(t, err)
}

func TestLongestRefusalIsShownShort(t *testing.T) {
	q, s := fake(t, qtest.Options{})
	q.HandleQTest("inb", func([]string) string { return "FAIL " + strings.Repeat("x", 100000) })
	_, err := s.Inb(t.Context(), 1)
	require.Less(t, len(err.Error()), 1000)
}
