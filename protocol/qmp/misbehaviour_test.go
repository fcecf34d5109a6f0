package qmp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// scripted is a connection on which a peer sends something, whatever it receives.
// Reading it goes through a reader that the test chooses.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// conversation is a whole session: what it holds has to arrive however it is cut.
const conversation = `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 9}, "package": "é€😀"}, "capabilities": []}}` + "\r\n" +
	`{"event": "ONE", "data": {"text": "brace } quote \" backslash \\ é€😀"}}` + "\r\n" +
	"{\r\n    \"return\": {\r\n    },\r\n    \"id\": 1\r\n}\r\n" +
	`{"event":"TWO"}{"event":"THREE","data":{"list":[1,[2,{"a":[]}]]}}` + "\n\n \t" +
	`{"event": "FOUR"}`

// The reply to the handshake is in the script before it is asked for, so
// the peer is held back until the request has been written.
type afterRequest struct {
	before, after io.Reader
	asked         <-chan struct{}
}

func (a *afterRequest) Read(p []byte) (int, error) {
	if n, err := a.before.Read(p); err == nil {
		return n, nil
	}
	<-a.asked
	return a.after.Read(p)
}

func TestValuesSplitAtEveryByte(t *testing.T) {
	for cut := 1; cut < len(conversation); cut++ {
		client, peer := net.Pipe()
		asked := make(chan struct{})
		go func() {
			_, _ = io.ReadFull(peer, make([]byte, 10))
			close(asked)
			_, _ = io.Copy(io.Discard, peer)
		}()
		reply := strings.Index(conversation, "{\r\n")
		pieces := func(from, to int) io.Reader {
			middle := min(max(cut, from), to)
			return io.MultiReader(strings.NewReader(conversation[from:middle]), strings.NewReader(conversation[middle:to]))
		}
		read := &afterRequest{pieces(0, reply), pieces(reply, len(conversation)), asked}
		session, err := qmp.New(t.Context(), scripted{client, read}, qmp.Options{})
		require.NoError(t, err, "cut at %d", cut)
		_, err = session.Wait(t.Context(), 0, "FOUR")
		require.NoError(t, err, "cut at %d", cut)
		require.NoError(t, session.Close())
		require.NoError(t, peer.Close())
	}
}

func TestOneByteAtATime(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	asked := make(chan struct{})
	go func() {
		_, _ = io.ReadFull(peer, make([]byte, 10))
		close(asked)
		_, _ = io.Copy(io.Discard, peer)
	}()
	reply := strings.Index(conversation, "{\r\n")
	read := &afterRequest{
		iotest.OneByteReader(strings.NewReader(conversation[:reply])),
		iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(conversation[reply:]))), asked,
	}
	session, err := qmp.New(t.Context(), scripted{client, read}, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	require.Equal(t, "é€😀", session.Greeting().Version.Package)
	event, err := session.Wait(t.Context(), 0, "ONE")
	require.NoError(t, err)
	var data struct{ Text string }
	require.NoError(t, event.Decode(&data))
	require.Equal(t, "brace } quote \" backslash \\ é€😀", data.Text)
	_, err = session.Wait(t.Context(), event.Next(), "FOUR")
	require.NoError(t, err)
}

// What a peer may say that ends the session, with the error that tells why. A
// command waits meanwhile, and must not hang.
func TestWhatEndsASession(t *testing.T) {
	deep := strings.Repeat("[", 10_000)
	for name, sent := range map[string]string{
		"not JSON":                  "garbage\r\n",
		"bytes of no meaning":       "\x00\x01\x02",
		"an array":                  "[1]",
		"closed before it is open":  "}",
		"brackets that don't match": `{"return": [}}`,
		"a comma too many":          `{"return": {},, "id": 2}`,
		"a number that is none":     `{"return": 0x10, "id": 2}`,
		"nothing that we know":      `{"hello": 1}`,
		"an id alone":               `{"id": 2}`,
		"event of the wrong type":   `{"event": 7}`,
		"event without a name":      `{"event": ""}`,
		"event null":                `{"event": null}`,
		"a second greeting":         greeting,
		"nested 10,000 deep":        `{"return": ` + deep,
		"nested deep in an event":   `{"event": "X", "data": ` + strings.Repeat(`{"a":`, 10_000),
		"longer than allowed":       `{"return": "` + strings.Repeat("x", 1<<16),
		"spaces without an end":     `{` + strings.Repeat(" ", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			session, s := open(t, qmp.Options{MaxMessage: 1 << 16})
			go func() {
				s.hear()
				_, _ = s.conn.Write([]byte(sent))
			}()
			err := session.Execute(t.Context(), "query", nil, nil)
			closed, ok := errors.AsType[*qmp.ClosedError](err)
			require.True(t, ok, "%v", err)
			problem, ok := errors.AsType[*qmp.ProtocolError](closed.Cause)
			require.True(t, ok, "%v", err)
			require.LessOrEqual(t, len(problem.Data), 80)
			require.Less(t, len(err.Error()), 500)
		})
	}
}

// What a peer may say without ending the session: the next command works.
func TestWhatASessionSurvives(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":                     "",
		"reply with unknown id":       `{"return": {}, "id": 99}`,
		"reply to what is to come":    `{"return": {}, "id": 4}`,
		"id a string":                 `{"return": {}, "id": "2"}`,
		"id a string, an error":       `{"error": {"class": "GenericError", "desc": "no"}, "id": "drover"}`,
		"id an object":                `{"return": {}, "id": {"a": [1]}}`,
		"id negative":                 `{"return": {}, "id": -1}`,
		"id a fraction":               `{"return": {}, "id": 2.0}`,
		"id null":                     `{"return": {}, "id": null}`,
		"id too large":                `{"return": {}, "id": 184467440737095516160}`,
		"event with an id":            `{"event": "X", "id": 2}`,
		"event with data of any type": `{"event": "X", "data": [1, "a", null]}`,
		"event with time of any type": `{"event": "X", "timestamp": "now"}`,
		"event with time unknown":     `{"event": "X", "timestamp": {"seconds": -1, "microseconds": -1}}`,
		"event with time too large":   `{"event": "X", "timestamp": {"seconds": 1e99, "microseconds": 1}}`,
		"event with other members":    `{"event": "X", "later": {"a": 1}}`,
		"members twice":               `{"event": "X", "event": "Y"}`,
		"invalid UTF-8 in a string":   "{\"event\": \"X\", \"data\": {\"a\": \"\xc3\"}}",
		"empty lines":                 "\r\n\r\n\n \t",
		"a reset in the middle":       "{\"event\": \"HALF\xff{\"event\": \"X\"}",
		"a large event":               `{"event": "X", "data": {"a": "` + strings.Repeat("x", 3<<20) + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			session, s := open(t, qmp.Options{})
			go func() {
				first := s.hear()
				s.say("%s", sent)
				s.answer(first, `"first"`)
				s.say("%s", sent) // also when nobody waits
				s.answer(s.hear(), `"second"`)
			}()
			for _, want := range []string{"first", "second"} {
				var got string
				require.NoError(t, session.Execute(t.Context(), "query", nil, &got))
				require.Equal(t, want, got)
			}
		})
	}
}

func TestAReplyTwiceIsTakenOnce(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, `"own"`) + returning(r, `"again"`) })
	for range 20 { // more than there are slots
		var got string
		require.NoError(t, session.Execute(t.Context(), "query", nil, &got))
		require.Equal(t, "own", got)
	}
}

func TestAReplyBeforeItsCommandHasBeenSentIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		results := make(chan string, 2)
		for range 2 { // the first keeps the writer, the second waits behind it
			go func() {
				var got string
				_ = session.Execute(t.Context(), "query", nil, &got)
				results <- got
			}()
			synctest.Wait()
		}
		s.say(`{"return": "too early", "id": 3}`)
		synctest.Wait()
		for range 2 {
			s.answer(s.hear(), `"own"`)
			require.Equal(t, "own", <-results)
		}
		session.Close()
	})
}

func TestRepliesOutOfOrderFindTheirCallers(t *testing.T) {
	const callers = 7
	session, s := open(t, qmp.Options{})
	results := make(chan error, callers)
	for n := range callers {
		go func() {
			want, got := fmt.Sprintf("query-%d", n), ""
			err := session.Execute(t.Context(), want, nil, &got)
			if err == nil && got != want {
				err = fmt.Errorf("%s got the reply to %s", want, got)
			}
			results <- err
		}()
	}
	var heard []request
	for range callers {
		heard = append(heard, s.hear())
	}
	for _, r := range slices.Backward(heard) {
		s.answer(r, `"`+r.Execute+`"`)
	}
	for range callers {
		require.NoError(t, <-results)
	}
}

// Some replies have no id: those of very old monitors, and those to what a
// monitor could not read. They come in order.
func TestRepliesWithoutIDAnswerInOrder(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string {
		if r.Execute == "wrong" {
			return `{"error": {"class": "GenericError", "desc": "JSON parse error"}}`
		}
		return `{"return": "` + r.Execute + `"}`
	})
	for range 10 {
		var got string
		require.NoError(t, session.Execute(t.Context(), "query", nil, &got))
		require.Equal(t, "query", got)
		refused, ok := errors.AsType[*qmp.Error](session.Execute(t.Context(), "wrong", nil, nil))
		require.True(t, ok)
		require.Equal(t, "JSON parse error", refused.Desc)
	}
}

func TestErrorsOfTheWrongTypeAreTheirCommandsOwn(t *testing.T) {
	for _, wrong := range []string{`"text"`, `7`, `null`, `[]`, `{}`, `{"class": 5}`, `{"desc": "no class"}`} {
		t.Run(wrong, func(t *testing.T) {
			session, s := open(t, qmp.Options{})
			go func() {
				s.say(`{"error": %s, "id": %d}`, wrong, s.hear().ID)
				s.answer(s.hear(), "{}")
			}()
			_, ok := errors.AsType[*qmp.ProtocolError](session.Execute(t.Context(), "query", nil, nil))
			require.True(t, ok)
			require.NoError(t, session.Execute(t.Context(), "query", nil, nil))
		})
	}
}

func TestAReplyOfTheWrongTypeIsItsCommandsOwn(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, `{"status": 5}`) })
	var status struct{ Status string }
	err := session.Execute(t.Context(), "query-status", nil, &status)
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "number", wrong.Value)
	require.ErrorContains(t, err, "query-status")
	require.NoError(t, session.Err())
}

func TestTheEndInTheMiddleIsUnexpected(t *testing.T) {
	for _, half := range []string{"{", `{"return"`, `{"event": "X", "data": {"a": "`, `{"return": {}`} {
		session, s := open(t, qmp.Options{})
		go func() { _, _ = io.WriteString(s.conn, half); s.conn.Close() }()
		<-session.Done()
		require.ErrorIs(t, session.Err(), io.ErrUnexpectedEOF)
	}
	session, s := open(t, qmp.Options{})
	s.say(`{"event": "X"}`)
	s.conn.Close()
	<-session.Done()
	require.ErrorIs(t, session.Err(), io.EOF)
	require.NotErrorIs(t, session.Err(), io.ErrUnexpectedEOF)
}

// garbage is an object that never ends.
type garbage struct{ sent int }

func (g *garbage) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "x\\\"y{[,"[i%7]
	}
	if g.sent == 0 {
		copy(p, `{"return": "`)
	}
	g.sent += len(p)
	return len(p), nil
}

func Test64MiBOfGarbageWithoutAnEndTakesBoundedMemory(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	endless := &garbage{}
	read := io.MultiReader(strings.NewReader(greeting), endless)
	go io.Copy(io.Discard, peer)
	_, err := qmp.New(t.Context(), scripted{client, read}, qmp.Options{})
	problem, ok := errors.AsType[*qmp.ProtocolError](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, problem.Problem)
	require.LessOrEqual(t, endless.sent, qmp.DefaultMaxMessage+1<<20)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(5*qmp.DefaultMaxMessage/2), "buffers double")
}

func TestOneLargeReplyIsNotPaidForEver(t *testing.T) {
	session, s := open(t, qmp.Options{})
	large := `"` + strings.Repeat("x", 16<<20) + `"`
	go func() { s.answer(s.hear(), large) }()
	require.NoError(t, session.Execute(t.Context(), "query", nil, nil))
	go func() { s.answer(s.hear(), "{}") }()
	require.NoError(t, session.Execute(t.Context(), "query", nil, nil))
	large = ""
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	require.Less(t, stats.HeapInuse, uint64(14<<20))
}

// A TCP connection that is reset rather than closed.
func TestAResetIsAClosedError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s := newServer(t, conn)
		s.say("%s", greeting)
		s.answer(s.hear(), "{}")
		s.hear()
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}()
	session, err := qmp.Dial(t.Context(), "tcp", listener.Addr().String(), qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	err = session.Execute(t.Context(), "query", nil, nil)
	_, closed := errors.AsType[*qmp.ClosedError](err)
	require.True(t, closed, "%v", err)
}

func TestAPeerThatNeverReadsKeepsNobodyFromLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, _ := open(t, qmp.Options{})
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, session.Execute(ctx, "query", nil, nil), context.DeadlineExceeded)
			cancel()
		}
		start := time.Now()
		require.NoError(t, session.Close())
		require.Zero(t, time.Since(start))
	})
}

func TestSlowPeersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		go func() {
			for _, b := range []byte(returning(s.hear(), `"slow"`)) {
				time.Sleep(time.Minute)
				_, _ = s.conn.Write([]byte{b})
			}
		}()
		var got string
		require.NoError(t, session.Execute(t.Context(), "query", nil, &got))
		require.Equal(t, "slow", got)
		session.Close()
	})
}

func TestManyValuesInOneReadComeInOrder(t *testing.T) {
	session, s := open(t, qmp.Options{})
	var all bytes.Buffer
	for n := range 1000 {
		fmt.Fprintf(&all, `{"event": "E", "data": {"n": %d}}`, n)
	}
	_, err := s.conn.Write(all.Bytes())
	require.NoError(t, err)
	n := 0
	for event, err := range session.Events(t.Context(), 0) {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"n": %d}`, n), string(event.Data))
		if n++; n == 1000 {
			break
		}
	}
}
