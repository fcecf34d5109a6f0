package transcript_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/drover-vm/drover/protocol/transcript"
)

// messages is one of each kind that the format tells apart.
func messages() []transcript.Message {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	at := func(d time.Duration, to transcript.Direction, data string) transcript.Message {
		return transcript.Message{Time: begin.Add(d), Direction: to, Data: []byte(data)}
	}
	cut := at(61*time.Second, transcript.Received, `{"return": [{"na`)
	cut.Cut = 248379
	return []transcript.Message{
		at(0, transcript.Received, `{"QMP": {"version": {}, "capabilities": ["oob"]}}`),
		at(112*time.Microsecond, transcript.Sent, `{"execute": "qmp_capabilities", "id": 1}`),
		at(113*time.Microsecond+999, transcript.Received, `{"return": {"name": "Grüße, 世界 🐑"}, "id": 1}`),
		at(time.Second, transcript.Sent, "{\n    \"execute\": \"stop\"\r\n}"),
		at(time.Second, transcript.Sent, "\xff{}"),
		at(2*time.Second, transcript.Sent, ""),
		at(2*time.Second, transcript.Sent, "readb 0x100 "),
		at(2*time.Second, transcript.Received, "OK\t0x00"),
		at(2*time.Second, transcript.Received, "# no comment"),
		at(60*time.Second, transcript.Received, "turned \u202e around, \ufffd, \u2028"),
		cut,
	}
}

func write(t require.TestingT, limit int, list []transcript.Message) string {
	var b strings.Builder
	w := transcript.NewWriter(&b)
	w.Limit = limit
	for _, m := range list {
		w.Trace(m)
	}
	require.NoError(t, w.Err())
	return b.String()
}

func TestTheFormatIsTheOneOnRecord(t *testing.T) {
	for name, limit := range map[string]int{"whole.txt": 0, "cut.txt": 29} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			got := write(t, limit, messages())
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o777))
				require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			_, err = transcript.Read(strings.NewReader(got))
			require.NoError(t, err)
		})
	}
}

// drawn makes messages as nobody would send them.
func drawn(t *rapid.T) []transcript.Message {
	length := rapid.IntRange(0, 20).Draw(t, "messages")
	now := time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "begin"), 0)
	var list []transcript.Message
	for range length {
		data := []byte(rapid.OneOf(
			rapid.String(), rapid.StringMatching(`\{"execute": "[a-z]*"\}`), rapid.StringMatching(`[ -~]*`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "data"))
		list = append(list, transcript.Message{
			Time:      now,
			Direction: rapid.SampledFrom([]transcript.Direction{transcript.Sent, transcript.Received}).Draw(t, "direction"),
			Data:      data,
			Cut:       rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 1<<30)).Draw(t, "cut"),
		})
		now = now.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "µs")) * time.Microsecond)
	}
	return list
}

func TestWhatIsWrittenIsReadBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawn(t)
		for i := range list { // the reader's bound, eleven thousand days
			if list[i].Time.Sub(list[0].Time) >= 1e9*time.Second {
				list = list[:i]
				break
			}
		}
		back, err := transcript.Read(strings.NewReader(write(t, 0, list)))
		require.NoError(t, err)
		require.Len(t, back, len(list))
		for i, m := range back {
			require.Equal(t, list[i].Time.Sub(list[0].Time), m.Time.Sub(time.Time{}))
			require.Equal(t, string(list[i].Data), string(m.Data))
			require.Equal(t, list[i].Direction, m.Direction)
			require.Equal(t, list[i].Cut, m.Cut)
		}
	})
}

func TestALongMessageIsCutBetweenCharactersAndSaysItsLength(t *testing.T) {
	m := transcript.Message{Direction: transcript.Received, Data: []byte("abc世界")}
	require.Equal(t, "0.000000 <+9 abc\n", write(t, 5, []transcript.Message{m}))
	require.Equal(t, "0.000000 <+9 abc世\n", write(t, 6, []transcript.Message{m}))
	require.Equal(t, "0.000000 < abc世界\n", write(t, 9, []transcript.Message{m}))
	m.Data = bytes.Repeat([]byte{0x80}, 9)
	require.Equal(t, `0.000000 <q+9 "\x80\x80\x80\x80\x80"`+"\n", write(t, 5, []transcript.Message{m}))
	m.Data, m.Cut = []byte("abcdef"), 600 // cut before it came
	require.Equal(t, "0.000000 <+600 abcde\n", write(t, 5, []transcript.Message{m}))
}

func TestAMessageFromBeforeTheFirstCountsAsTheSameTime(t *testing.T) {
	list := messages()[:2]
	list[0], list[1] = list[1], list[0]
	back, err := transcript.Read(strings.NewReader(write(t, 0, list)))
	require.NoError(t, err)
	require.Equal(t, back[0].Time, back[1].Time)
}

func TestManyGoroutinesWriteWholeLines(t *testing.T) {
	var b bytes.Buffer
	w := transcript.NewWriter(&b)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				w.Trace(transcript.Message{Time: time.Now(), Direction: transcript.Sent, Data: []byte("readq 0x1000")})
			}
		})
	}
	all.Wait()
	list, err := transcript.Read(&b)
	require.NoError(t, err)
	require.Len(t, list, 1600)
}

func TestTheFirstWriteErrorEndsTheWriting(t *testing.T) {
	full := errors.New("the disk is full")
	calls := 0
	w := transcript.NewWriter(writerFunc(func(p []byte) (int, error) { calls++; return 0, full }))
	for range 3 {
		w.Trace(transcript.Message{Direction: transcript.Sent, Data: []byte("{}")})
	}
	require.ErrorIs(t, w.Err(), full)
	require.Equal(t, 1, calls)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAMessageWithoutDirectionIsRefused(t *testing.T) {
	var b strings.Builder
	w := transcript.NewWriter(&b)
	w.Trace(transcript.Message{Data: []byte("{}")})
	require.Error(t, w.Err())
	require.Empty(t, b.String())
}

func TestReadSkipsCommentsAndEmptyLines(t *testing.T) {
	list, err := transcript.Read(strings.NewReader("# QEMU 11.1\n\n0.5 < a\r\n1 >\n2.25 > \n# end"))
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, 500*time.Millisecond, list[0].Time.Sub(time.Time{}))
	require.Equal(t, "a", string(list[0].Data), "the line end of another system is none of the message")
	require.Empty(t, list[1].Data)
	require.Empty(t, list[2].Data)
}

func TestReadNamesTheLineThatItCanNotRead(t *testing.T) {
	for line, problem := range map[string]string{
		"hello":                      `"hello" is no time`,
		"1e3 < a":                    `"1e3" is no time`,
		"-1 < a":                     "is no time",
		"NaN < a":                    "is no time",
		"Inf < a":                    "is no time",
		"0x10 < a":                   "is no time",
		"1.2.3 < a":                  "is no time",
		"1000000000 < a":             "is no time",
		"1":                          "direction",
		"1 ":                         "direction",
		"1 ! a":                      "direction",
		"1  < a":                     "direction",
		"1 <x a":                     `"x" means nothing`,
		"1 <+ a":                     "no length",
		"1 <+0 a":                    "no length",
		"1 <++1 a":                   "no length",
		"1 <+-1 a":                   "no length",
		"1 <+99999999999999999999 a": "no length",
		"1 <q a":                     "double quotes",
		"1 <q 'a'":                   "double quotes",
		"1 <q `a`":                   "double quotes",
		`1 <q "a`:                    "double quotes",
		`1 <q "a" `:                  "double quotes",
		"1 <q":                       "double quotes",
	} {
		list, err := transcript.Read(strings.NewReader("0.5 > fine\n" + line + "\n0.7 > never read\n"))
		syntax, ok := errors.AsType[*transcript.SyntaxError](err)
		require.True(t, ok, "%q: %v", line, err)
		require.Equal(t, 2, syntax.Line)
		require.Contains(t, err.Error(), problem, "%q", line)
		require.Len(t, list, 1, "what was read before is returned")
	}
}

func TestReadReturnsTheReadersOwnError(t *testing.T) {
	broken := errors.New("no such sector")
	_, err := transcript.Read(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(write(f, 0, messages())))
	f.Add([]byte(write(f, 5, messages())))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := transcript.Read(bytes.NewReader(data))
		if err != nil {
			require.ErrorAs(t, err, new(*transcript.SyntaxError))
		}
		// What can be read is written back as the same messages, and from then on
		// as the same bytes.
		text := write(t, 0, list)
		again, err := transcript.Read(strings.NewReader(text))
		require.NoError(t, err, "%s", text)
		require.Len(t, again, len(list))
		for i := range list {
			require.Equal(t, string(list[i].Data), string(again[i].Data))
			require.Equal(t, list[i].Cut, again[i].Cut)
		}
		require.Equal(t, text, write(t, 0, again))
	})
}

func BenchmarkTrace(b *testing.B) {
	b.ReportAllocs()
	w := transcript.NewWriter(writerFunc(func(p []byte) (int, error) { return len(p), nil }))
	m := transcript.Message{Direction: transcript.Received, Data: []byte(`{"return": {"status": "running", "running": true}, "id": 17}`)}
	for b.Loop() {
		w.Trace(m)
	}
}
