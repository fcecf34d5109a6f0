package link

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// through sends the bytes in pieces through a link with the fault, and returns what
// has arrived by the time that nothing moves any more.
func through(t *testing.T, l *Link, fault Fault, pieces ...[]byte) (arrived []byte, hit <-chan time.Time) {
	t.Helper()
	hit = l.Forward.Inject(fault)
	source, destination := joined(t, "pipe", l)
	go func() {
		for _, piece := range pieces {
			if _, err := source.Write(piece); err != nil {
				return
			}
		}
	}()
	got := &bytes.Buffer{}
	go func() { _, _ = io.Copy(got, destination) }()
	synctest.Wait()
	return bytes.Clone(got.Bytes()), hit
}

func TestFaultHitsItsByte(t *testing.T) {
	sent := stream(1000)
	flipped := bytes.Clone(sent)
	flipped[400] ^= 0xff
	for _, c := range []struct {
		kind    Kind
		arrives []byte
	}{{Cut, sent[:400]}, {Reset, sent[:400]}, {Truncate, sent[:400]}, {Stall, sent[:400]}, {Flip, flipped}} {
		for _, pieces := range [][][]byte{
			{sent}, {sent[:400], sent[400:]}, {sent[:401], sent[401:]}, {sent[:10], sent[10:399], sent[399:]},
		} {
			t.Run(string(c.kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := New()
					got, hit := through(t, l, Fault{At: 400, Kind: c.kind}, pieces...)
					require.Len(t, hit, 1)
					require.Equal(t, c.arrives, got)
					require.EqualValues(t, len(c.arrives), l.Forward.Bytes())
				})
			})
		}
	}
}

func TestFaultBeyondTheEndDoesNotHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := stream(1000)
		got, hit := through(t, New(), Fault{At: 1000, Kind: Cut}, sent)
		require.Empty(t, hit)
		require.Equal(t, sent, got)
	})
}

func TestFaultIsFoundByWhatComesBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, hit := through(t, New(), Fault{After: "\x03ram", At: 2, Kind: Cut}, []byte("a r"), []byte("am \x03r"), []byte("am1234"))
		require.Len(t, hit, 1)
		require.Equal(t, "a ram \x03ram12", string(got))
	})
}

// TestFaultIsFoundHoweverTheBytesCome: where a stream is split does not matter.
func TestFaultIsFoundHoweverTheBytesCome(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		text := make([]byte, 200)
		for i := range text {
			text[i] = "ab"[random.IntN(2)]
		}
		fault := Fault{After: "abba", At: random.Int64N(20)}
		want := bytes.Index(text, []byte(fault.After)) + len(fault.After) + int(fault.At)
		a := &aim{fault: fault, left: fault.At}
		found := -1
		for at := 0; at < len(text) && found < 0; {
			piece := text[at:min(len(text), at+1+random.IntN(7))]
			if before, hit := a.in(piece); hit {
				found = at + before
			}
			at += len(piece)
		}
		if want >= len(text) || !bytes.Contains(text, []byte(fault.After)) {
			want = -1
		}
		require.Equal(t, want, found, "%s in %s", fault, text)
	}
}

func TestFaultThatIsPutLaterCountsFromThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		source, destination := joined(t, "pipe", l)
		for _, round := range []string{"abcd", "abXd"} {
			go func() { _, _ = source.Write([]byte("abcd")) }()
			got := make([]byte, 4)
			_, err := io.ReadFull(destination, got)
			require.NoError(t, err)
			require.Equal(t, bytes.ReplaceAll([]byte(round), []byte("X"), []byte{'c' ^ 0xff}), got)
			l.Forward.Inject(Fault{At: 2, Kind: Flip})
		}
	})
}

func TestStallByAFaultIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		source, destination := joined(t, "pipe", l)
		l.Forward.Inject(Fault{At: 2, Kind: Stall})
		go func() { _, _ = source.Write([]byte("abcd")) }()
		go func() {
			time.Sleep(time.Minute)
			l.Release()
		}()
		began := time.Now()
		got := make([]byte, 4)
		_, err := io.ReadFull(destination, got)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(got))
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// TestTruncatedFlowSwallowsTheRest: who sends learns of nothing until who receives
// closes the connection.
func TestTruncatedFlowSwallowsTheRest(t *testing.T) {
	l := New()
	l.Forward.Inject(Fault{At: 100, Kind: Truncate})
	source, destination := joined(t, "tcp", l)
	_, err := source.Write(stream(10 << 20))
	require.NoError(t, err)
	got, err := io.ReadAll(destination)
	require.NoError(t, err)
	require.Equal(t, stream(100), got)
	require.NoError(t, destination.Close())
	for err == nil {
		_, err = source.Write(stream(1 << 10))
	}
	_, isNet := err.(net.Error)
	require.True(t, isNet, "%v", err)
}

func TestFaultSaysWhere(t *testing.T) {
	require.Equal(t, `changed at byte 2 behind "\x03ram"`, Fault{After: "\x03ram", At: 2, Kind: Flip}.String())
	require.Equal(t, "cut at byte 7", Fault{At: 7, Kind: Cut}.String())
}
