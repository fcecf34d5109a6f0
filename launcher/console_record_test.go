package launcher

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// unread is a line that nobody is at the other end of.
type unread struct{}

func (unread) Read([]byte) (int, error)         { return 0, errors.New("nobody there") }
func (unread) Write([]byte) (int, error)        { return 0, errors.New("nobody there") }
func (unread) Close() error                     { return nil }
func (unread) SetWriteDeadline(time.Time) error { return nil }

func TestConsoleForgetsTheOldestWordsOnly(t *testing.T) {
	c := newConsole(unread{}, nil)
	began := time.Unix(1_000_000, 0)
	for i := range 3 << 10 { // 3 MiB, a KiB a second
		c.append(bytes.Repeat([]byte{byte(i)}, 1<<10), began.Add(time.Duration(i)*time.Second))
	}
	require.Equal(t, int64(3<<20), c.Mark(), "places count what was forgotten, too")
	output := c.Since(0)
	require.GreaterOrEqual(t, len(output), consoleKept)
	require.LessOrEqual(t, len(output), consoleKept+consoleKept/4)

	chunks := c.Chunks(0)
	require.Equal(t, c.Mark()-int64(len(output)), chunks[0].Place)
	for _, chunk := range chunks {
		second := chunk.Place >> 10
		require.Equal(t, began.Add(time.Duration(second)*time.Second), chunk.Time)
		require.Equal(t, byte(second), chunk.Bytes[0])
	}
	require.Equal(t, c.Mark(), chunks[len(chunks)-1].Next())

	middle := c.Chunks(c.Mark() - 100)
	require.Len(t, middle, 1)
	require.Len(t, middle[0].Bytes, 100)
	require.Equal(t, chunks[len(chunks)-1].Time, middle[0].Time)
}

func TestGuestThatSaysLittleForLongIsKeptInBounds(t *testing.T) {
	c := newConsole(unread{}, nil)
	now := time.Unix(1_000_000, 0)
	for range 3 * piecesKept {
		now = now.Add(pieceLength)
		c.append([]byte("B"), now)
	}
	require.LessOrEqual(t, len(c.pieces), piecesKept+piecesKept/4)
	require.Equal(t, c.dropped, c.pieces[0].place)
	require.Equal(t, int64(3*piecesKept), c.Mark())
	require.Len(t, c.Chunks(0), len(c.pieces))
}

func TestWhatArrivesTogetherIsOneChunk(t *testing.T) {
	c := newConsole(unread{}, nil)
	now := time.Unix(1_000_000, 0)
	for _, word := range []string{"to", "geth", "er"} {
		c.append([]byte(word), now)
		now = now.Add(pieceLength / 4)
	}
	c.append([]byte("later"), now.Add(pieceLength))
	chunks := c.Chunks(0)
	require.Len(t, chunks, 2)
	require.Equal(t, "together", string(chunks[0].Bytes))
	require.Equal(t, int64(8), chunks[1].Place)
}

func TestSlowFollowerSeesTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(unread{}, nil)
		go func() {
			c.append([]byte("first"), time.Now())
			time.Sleep(time.Second)
			for range 2 * consoleKept / 4096 {
				c.append(make([]byte, 4096), time.Now())
			}
			time.Sleep(2 * time.Second)
			c.finish(errors.New("over"))
		}()
		var places []int64
		for chunk, err := range c.Follow(t.Context(), 0) {
			if err != nil {
				require.ErrorContains(t, err, "over")
				break
			}
			places = append(places, chunk.Place)
			time.Sleep(2 * time.Second)
		}
		require.Len(t, places, 2)
		require.Zero(t, places[0])
		require.Greater(t, places[1], int64(5))
	})
}

func TestFollowerGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for chunk, err := range newConsole(unread{}, nil).Follow(ctx, 0) {
			require.Empty(t, chunk)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "nothing at all")
		}
	})
}

func TestSlowMatchDoesNotHoldTheGuestUp(t *testing.T) {
	c := newConsole(unread{}, nil)
	c.append([]byte("a"), time.Now())
	_, err := c.WaitFunc(t.Context(), 0, "z", func(output []byte) (int, error) {
		if string(output) == "a" {
			c.append([]byte("z"), time.Now()) // from inside: it would never return if it held a lock
		}
		return bytes.IndexByte(output, 'z'), nil
	})
	require.NoError(t, err)
}

func TestCastSplitsNoCharacter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		c := newCast(&b, "vm", time.Now(), DefaultKeptBytes)
		for _, part := range []string{"gr\xc3", "\xbc\xc3\x9fe ", "\xe2", "\x82", "\xac", "\xff\x1b[1m", "\xf0\x9f"} {
			time.Sleep(500 * time.Millisecond)
			n, err := c.Write([]byte(part))
			require.NoError(t, err)
			require.Equal(t, len(part), n)
		}
		lines := strings.Split(b.String(), "\n")
		require.Equal(t, []string{
			`[0.500000, "o", "gr"]`, `[1.000000, "o", "üße "]`, `[2.500000, "o", "€"]`, `[3.000000, "o", "\ufffd\u001b[1m"]`, "",
		}, lines[1:])
	})
}

// pieces are what a line brings, one read after another.
type pieces struct {
	unread
	next chan string
}

func (p pieces) Read(b []byte) (int, error) {
	text, ok := <-p.next
	if !ok {
		return 0, io.EOF
	}
	return copy(b, text), nil
}

func TestHeldConsoleIsNotReadUntilItIsReleased(t *testing.T) {
	line := pieces{next: make(chan string)}
	c := newConsole(line, nil)
	done := make(chan struct{})
	go func() { defer close(done); c.record() }()
	line.next <- "before"
	_, err := c.Wait(t.Context(), 0, "before")
	require.NoError(t, err)
	c.Hold()
	c.Hold()
	line.next <- "next" // which it was reading already
	_, err = c.Wait(t.Context(), 0, "next")
	require.NoError(t, err)
	select {
	case line.next <- "held":
		t.Fatal("a console that is held was read")
	case <-time.After(20 * time.Millisecond):
	}
	c.Release()
	c.Release()
	line.next <- "released"
	_, err = c.Wait(t.Context(), 0, "released")
	require.NoError(t, err)
	close(line.next)
	<-done
}

func TestHeldConsoleIsReadWhenQEMUHasEnded(t *testing.T) {
	line, gone := pieces{next: make(chan string)}, make(chan struct{})
	c := newConsole(line, gone)
	c.Hold()
	done := make(chan struct{})
	go func() { defer close(done); c.record() }()
	close(gone)
	line.next <- "its last words"
	close(line.next)
	<-done
	require.Equal(t, "its last words", string(c.Since(0)))
}
