package qmp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// pieces reads a text in pieces of random sizes.
type pieces struct {
	left []byte
	size *rand.Rand
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.left[:min(len(p.left), 1+p.size.IntN(7))])
	p.left = p.left[n:]
	return n, nil
}

// The same objects are found however the stream is cut, and where they are valid
// JSON they are what encoding/json finds. No input makes the reader panic.
func FuzzStream(f *testing.F) {
	f.Add([]byte(conversation), uint64(1))
	f.Add([]byte(greeting+greeting), uint64(2))
	f.Add([]byte(`{"a": "}\"\\"}`+"\xff{}"), uint64(3))
	f.Add([]byte(`{"return": [{}, {"x": [[1]]}], "id": 18446744073709551615}`), uint64(4))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		const most = 1 << 16
		whole, end := qmp.Split(bytes.NewReader(stream), most)
		cut, cutEnd := qmp.Split(&pieces{stream, rand.New(rand.NewPCG(seed, 0))}, most)
		require.Equal(t, whole, cut)
		require.Equal(t, errors.Is(end, io.EOF), errors.Is(cutEnd, io.EOF))

		for _, object := range whole {
			_ = qmp.Parse([]byte(object))
		}
		d := json.NewDecoder(bytes.NewReader(stream))
		for _, object := range whole {
			var want json.RawMessage
			if d.Decode(&want) != nil || bytes.IndexByte(want, 0xff) >= 0 {
				break // not JSON from here on
			}
			require.Equal(t, string(want), object)
		}
	})
}

// Whatever a peer sends, a session ends, and no wait hangs.
func FuzzPeer(f *testing.F) {
	f.Add([]byte(`{"return": {}, "id": 2}`))
	f.Add([]byte(`{"event": "STOP"}{"return": {}, "id": 2}`))
	f.Add([]byte(`{"error": {"class": "GenericError", "desc": "no"}, "id": 2}`))
	f.Add([]byte("\xff{\"error\": null}"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, peer := net.Pipe()
		s := newServer(t, peer)
		go func() {
			defer peer.Close()
			s.say("%s", greeting)
			s.answer(s.hear(), "{}")
			s.hear()
			_, _ = peer.Write(sent)
		}()
		session, err := qmp.New(t.Context(), client, qmp.Options{MaxMessage: 1 << 16})
		require.NoError(t, err)
		var reply any
		_ = session.Execute(t.Context(), "query", nil, &reply)
		for range session.Events(t.Context(), 0) {
		}
		select {
		case <-session.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("the session goes on behind the end")
		}
		require.NoError(t, session.Close())
	})
}

// A JSON text that passes is one that QEMU's parser takes: the rules, said
// another way.
func FuzzReadable(f *testing.F) {
	for _, text := range []string{
		`{"a": "\ud83d\ude00"}`, `{"a": "\ud83d"}`, `{"a": "\ude00\ud83d"}`, `["\uffff", "\u0000"]`,
		"\"\xc3\"", `"\\ud800"`, `"\\\ud800"`, `[[[[]]]]`, `"\ud800\ud800\udc00"`, `"\ud800\""`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			t.Skip("not JSON")
		}
		if qmp.Unreadable(text) != nil {
			return
		}
		require.True(t, utf8.Valid(text))
		var value any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		require.NoError(t, d.Decode(&value))
		var walk func(any)
		check := func(s string) {
			for _, r := range s {
				require.False(t, r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe, "%U", r)
				// A lone surrogate is decoded to this one, which may also be there itself.
				if r == utf8.RuneError {
					require.True(t, strings.Contains(string(text), "\ufffd") || strings.Contains(strings.ToLower(string(text)), `\ufffd`))
				}
			}
		}
		walk = func(v any) {
			switch v := v.(type) {
			case string:
				check(v)
			case []any:
				for _, item := range v {
					walk(item)
				}
			case map[string]any:
				for name, item := range v {
					check(name)
					walk(item)
				}
			}
		}
		walk(value)
	})
}
