package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// joined returns the two outer ends of a link that runs between them until the test
// ends.
func joined(t *testing.T, network string, l *Link) (source, destination net.Conn) {
	t.Helper()
	source, from := connected(t, network)
	to, destination := connected(t, network)
	var running sync.WaitGroup
	running.Go(func() { l.Run(from, func() (net.Conn, error) { return to, nil }) })
	t.Cleanup(func() {
		_, _ = source.Close(), destination.Close()
		l.Cut()
		running.Wait()
		_ = to.Close() // where it was never dialled
	})
	return source, destination
}

// connected returns both ends of a connection.
func connected(t testing.TB, network string) (near, far net.Conn) {
	t.Helper()
	if network == "pipe" {
		return net.Pipe()
	}
	address := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	near, err = net.Dial(network, listener.Addr().String())
	require.NoError(t, err)
	far, err = listener.Accept()
	require.NoError(t, err)
	return near, far
}

// stream is n bytes, each unlike its neighbours.
func stream(n int) []byte {
	s := make([]byte, n)
	for i := range s {
		s[i] = byte(i * 7)
	}
	return s
}

// greet makes sure that the link runs.
func greet(t *testing.T, source, destination net.Conn) {
	t.Helper()
	_, err := source.Write([]byte("hello"))
	require.NoError(t, err)
	_, err = io.ReadFull(destination, make([]byte, 5))
	require.NoError(t, err)
}

func TestBytesPassAsTheyAreAndAreCounted(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := New()
			source, destination := joined(t, network, l)
			sent := stream(5 << 20)
			var sending sync.WaitGroup
			sending.Go(func() {
				_, _ = source.Write(sent)
				closeWrite(source)
			})
			got, err := io.ReadAll(destination)
			require.NoError(t, err)
			require.True(t, bytes.Equal(sent, got), "what arrives is what was sent")
			_, err = destination.Write([]byte("answer"))
			require.NoError(t, err)
			closeWrite(destination)
			answer, err := io.ReadAll(source)
			require.NoError(t, err)
			require.Equal(t, "answer", string(answer))
			sending.Wait()
			<-l.Forward.Done()
			<-l.Back.Done()
			require.EqualValues(t, len(sent), l.Forward.Bytes())
			require.EqualValues(t, len("answer"), l.Back.Bytes())
			require.Equal(t, sent[:firstKept], l.Forward.First())
		})
	}
}

func TestEndThatDiesBreaksTheOther(t *testing.T) {
	source, destination := joined(t, "tcp", New())
	require.NoError(t, destination.Close())
	var err error
	for err == nil {
		_, err = source.Write(stream(1 << 10))
	}
	require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET), "%v", err)
}

func TestLinkWhoseDialFailsClosesWhoConnected(t *testing.T) {
	source, from := connected(t, "tcp")
	l := New()
	l.Run(from, func() (net.Conn, error) { return nil, errors.New("nobody there") })
	<-l.Forward.Done()
	_, err := source.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, source.Close())
}

func TestResetIsSeenAsOne(t *testing.T) {
	l := New()
	source, destination := joined(t, "tcp", l)
	greet(t, source, destination)
	l.Reset()
	for _, end := range []net.Conn{source, destination} {
		_, err := end.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

func TestCutIsSeenAsTheEnd(t *testing.T) {
	l := New()
	source, destination := joined(t, "tcp", l)
	greet(t, source, destination)
	l.Cut()
	for _, end := range []net.Conn{source, destination} {
		_, err := end.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	l.Cut() // once more does nothing
}

func TestNothingPassesALinkThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		source, destination := joined(t, "pipe", l)
		l.Stall()
		got := make(chan string, 2)
		for _, end := range []struct{ from, to net.Conn }{{source, destination}, {destination, source}} {
			go func() { _, _ = end.from.Write([]byte("hello")) }()
			go func() {
				b := make([]byte, 5)
				_, _ = io.ReadFull(end.to, b)
				got <- string(b)
			}()
		}
		time.Sleep(time.Hour)
		require.Empty(t, got)
		require.Zero(t, l.Forward.Bytes()+l.Back.Bytes())
		l.Release()
		require.Equal(t, "hello", <-got)
		require.Equal(t, "hello", <-got)
	})
}

func TestFlowThatIsHeldLetsTheOtherPass(t *testing.T) {
	l := New()
	l.Back.Hold()
	source, destination := joined(t, "tcp", l)
	_, err := destination.Write([]byte("answer"))
	require.NoError(t, err)
	greet(t, source, destination)
	require.Zero(t, l.Back.Bytes(), "passed the flow that is held")
	l.Release()
	_, err = io.ReadFull(source, make([]byte, len("answer")))
	require.NoError(t, err)
}

func TestFlowThatDropsTakesAllThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		source, destination := joined(t, "pipe", l)
		greet(t, source, destination)
		sent := make(chan error)
		go func() {
			_, err := source.Write(stream(3 * forwardBuffer))
			sent <- err
		}()
		synctest.Wait() // the first part of it waits to be read
		before := l.Forward.Bytes()
		l.Forward.Drop()
		require.NoError(t, <-sent)
		synctest.Wait()
		require.Equal(t, before, l.Forward.Bytes(), "passed a flow that drops")
		_, err := destination.Write([]byte("back"))
		require.NoError(t, err)
		_, err = io.ReadFull(source, make([]byte, len("back")))
		require.NoError(t, err)
	})
}

func TestLinkThatStallsBeforeItRunsDoesNotDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Stall()
		source, from := net.Pipe()
		to, destination := net.Pipe()
		dialled := make(chan time.Time, 1)
		began := time.Now()
		go l.Run(from, func() (net.Conn, error) {
			dialled <- time.Now()
			return to, nil
		})
		time.Sleep(time.Minute)
		l.Release()
		require.Equal(t, time.Minute, (<-dialled).Sub(began))
		_, _ = source.Close(), destination.Close()
		<-l.Forward.Done()
		<-l.Back.Done()
	})
}

func TestStalledLinkCanBeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Stall()
		source, destination := joined(t, "pipe", l)
		synctest.Wait()
		l.Cut()
		_, err := source.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_ = destination
	})
}

func TestLimitIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Forward.Limit(1 << 20)
		source, destination := joined(t, "pipe", l)
		began := time.Now()
		go func() {
			_, _ = source.Write(stream(10 << 20))
			_ = source.Close()
		}()
		n, _ := io.Copy(io.Discard, destination)
		require.EqualValues(t, 10<<20, n)
		require.InDelta(t, 10, time.Since(began).Seconds(), 0.1)
	})
}

func TestLimitCanBeLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Forward.Limit(1 << 10)
		source, destination := joined(t, "pipe", l)
		began := time.Now()
		go func() {
			_, _ = source.Write(stream(10 << 10))
			_ = source.Close()
		}()
		_, err := io.ReadFull(destination, make([]byte, 1<<10))
		require.NoError(t, err)
		l.Forward.Limit(0)
		_, _ = io.Copy(io.Discard, destination)
		require.InDelta(t, 1, time.Since(began).Seconds(), 0.1)
	})
}

func BenchmarkLink(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		b.Run(network, func(b *testing.B) {
			data := stream(32 << 10) // what QEMU writes at once
			b.SetBytes(int64(len(data)))
			l := New()
			source, from := connected(b, network)
			to, destination := connected(b, network)
			var running sync.WaitGroup
			running.Go(func() { l.Run(from, func() (net.Conn, error) { return to, nil }) })
			running.Go(func() { _, _ = io.Copy(io.Discard, destination) })
			for b.Loop() {
				if _, err := source.Write(data); err != nil {
					b.Fatal(err)
				}
			}
			_ = source.Close()
			<-l.Forward.Done()
			_ = destination.Close()
			running.Wait()
		})
	}
}
