package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

func TestIntegersSurviveExactly(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, string(r.Arguments)) })
	sent := map[string]any{"most": uint64(math.MaxUint64), "least": int64(math.MinInt64), "odd": uint64(1<<53 + 1)}

	var typed struct {
		Most  uint64
		Least int64
		Odd   uint64
	}
	require.NoError(t, session.Execute(t.Context(), "echo", sent, &typed))
	require.EqualValues(t, uint64(math.MaxUint64), typed.Most)
	require.EqualValues(t, math.MinInt64, typed.Least)

	var untyped any
	require.NoError(t, session.Execute(t.Context(), "echo", sent, &untyped))
	require.Equal(t, map[string]any{
		"most": json.Number("18446744073709551615"), "least": json.Number("-9223372036854775808"), "odd": json.Number("9007199254740993"),
	}, untyped)

	var raw json.RawMessage
	require.NoError(t, session.Execute(t.Context(), "echo", sent, &raw))
	require.Contains(t, string(raw), "18446744073709551615")
}

func TestRefusedCommandIsATypedError(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string {
		return fmt.Sprintf(`{"id": %d, "error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}}`, r.ID)
	})
	err := session.Execute(t.Context(), "device_del", map[string]string{"id": "x"}, nil)
	require.Equal(t, &qmp.Error{Class: qmp.DeviceNotFound, Desc: "Device 'x' not found", Command: "device_del"}, err)
	require.NoError(t, session.Err())
}

func TestRepliesOfAnySizeAreRead(t *testing.T) {
	session, s := open(t, qmp.Options{})
	for _, size := range []int{0, 1, 4095, 4096, 4097, 64 << 10, 200 << 10, 5 << 20} {
		want := `"` + strings.Repeat("x", size) + `"`
		go func() { s.answer(s.hear(), want) }()
		var reply json.RawMessage
		require.NoError(t, session.Execute(t.Context(), "query-qmp-schema", nil, &reply))
		require.True(t, want == string(reply), "%d bytes", size)
	}
}

// A reply belongs to its caller: the next one must not write over it.
func TestARawReplyIsNotOverwritten(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, string(r.Arguments)) })
	var first, second json.RawMessage
	require.NoError(t, session.Execute(t.Context(), "echo", map[string]string{"a": "first"}, &first))
	require.NoError(t, session.Execute(t.Context(), "echo", map[string]string{"b": "other"}, &second))
	require.JSONEq(t, `{"a": "first"}`, string(first))
}

func TestCallersAtOnceGetTheirOwnReplies(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, string(r.Arguments)) })
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for n := range 50 {
				want := fmt.Sprintf(`{"who":%d,"n":%d}`, i, n)
				var got json.RawMessage
				if err := session.Execute(t.Context(), "echo", json.RawMessage(want), &got); err != nil || string(got) != want {
					t.Errorf("%v: %s instead of %s", err, got, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestWhatAMonitorCannotQueueWaitsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		var group sync.WaitGroup
		for range 9 {
			group.Go(func() { session.Execute(t.Context(), "slow", nil, nil) })
		}
		var heard []request
		for range 7 {
			heard = append(heard, s.hear())
		}
		eighth := make(chan request, 1)
		go func() { eighth <- s.hear() }()
		synctest.Wait()
		require.Empty(t, eighth, "seven are in flight")

		go session.ExecuteOOB(t.Context(), "overtake", nil, nil)
		r := <-eighth
		require.Equal(t, "overtake", r.ExecOOB, "out-of-band commands need no slot")
		s.answer(r, "{}")

		s.answer(heard[3], "{}")
		require.Equal(t, "slow", s.hear().Execute)
		session.Close()
		group.Wait()
	})
}

func TestOutOfBandOvertakes(t *testing.T) {
	session, s := open(t, qmp.Options{})
	slow := make(chan error, 1)
	go func() { slow <- session.Execute(t.Context(), "hang", nil, nil) }()
	hanging := s.hear()
	go func() { s.answer(s.hear(), "{}") }()
	require.NoError(t, session.ExecuteOOB(t.Context(), "migrate-pause", nil, nil))
	require.Empty(t, slow)
	s.answer(hanging, "{}")
	require.NoError(t, <-slow)
}

func TestCancellationSurvivesTheLateReply(t *testing.T) {
	session, s := open(t, qmp.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- session.Execute(ctx, "slow", nil, nil) }()
	late := s.hear()
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)

	next := make(chan error, 1)
	var reply string
	go func() { next <- session.Execute(t.Context(), "echo", nil, &reply) }()
	second := s.hear()
	s.answer(late, `"late"`)
	s.answer(second, `"own"`)
	require.NoError(t, <-next)
	require.Equal(t, "own", reply)
	require.NoError(t, session.Err())
}

func TestAnEndedContextSendsNothing(t *testing.T) {
	session, s := open(t, qmp.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, session.Execute(ctx, "never", nil, nil), context.Canceled)
	go session.Execute(t.Context(), "next", nil, nil)
	require.Equal(t, "next", s.hear().Execute)
}

// A peer that doesn't read holds up the writer. A caller whose context ends then leaves
// nothing behind: no command to be sent later, no slot taken.
func TestWhatIsGivenUpBeforeItIsWrittenIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		go session.Execute(t.Context(), "first", nil, nil) // the writer blocks in it
		synctest.Wait()
		for range 100 {
			for _, oob := range []bool{false, true} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				execute := session.Execute
				if oob {
					execute = session.ExecuteOOB
				}
				require.ErrorIs(t, execute(ctx, "abandoned", nil, nil), context.DeadlineExceeded)
				cancel()
			}
		}
		go session.Execute(t.Context(), "last", nil, nil)
		synctest.Wait()
		require.Equal(t, "first", s.hear().Execute)
		require.Equal(t, "last", s.hear().Execute)
		session.Close()
	})
}

// guest-suspend-ram and its like are never answered.
func TestCommandsThatAreNeverAnsweredDoNotUseUpTheSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		s.serve(func(r request) string {
			if r.Execute == "silent" {
				return ""
			}
			return returning(r, "{}")
		})
		for range 30 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, session.Execute(ctx, "silent", nil, nil), context.DeadlineExceeded)
			cancel()
			require.NoError(t, session.Execute(t.Context(), "loud", nil, nil))
		}
		session.Close()
	})
}

func TestArgumentsThatCannotBeSentAreRefused(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string { return returning(r, "{}") })
	for name, arguments := range map[string]any{
		"not an object":     []int{1},
		"a string":          "x",
		"not encodable":     map[string]any{"f": func() {}},
		"not a number":      map[string]any{"f": math.NaN()},
		"not JSON":          json.RawMessage(`{"a"`),
		"not UTF-8":         json.RawMessage("{\"a\": \"\xff\"}"),
		"lone surrogate":    json.RawMessage(`{"a": "\ud800"}`),
		"half a pair":       json.RawMessage(`{"a": "\ud800\u0041"}`),
		"wrong half first":  json.RawMessage(`{"a": "\udc00\ud800"}`),
		"no character":      map[string]any{"a": "\uffff"},
		"no character, too": json.RawMessage(`{"a": "\ufdd0"}`),
		"no member name":    map[string]any{"\U0001fffe": 1},
		"too deep":          json.RawMessage(`{"a": ` + strings.Repeat("[", 1023) + strings.Repeat("]", 1023) + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			err := session.Execute(t.Context(), "command", arguments, nil)
			refused, ok := errors.AsType[*qmp.ArgumentError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "command", refused.Command)
		})
	}
	for name, arguments := range map[string]any{
		"none":             nil,
		"nil map":          map[string]any(nil),
		"nil pointer":      (*struct{})(nil),
		"escapes":          map[string]any{"a": "\x00\"\\\b\n\u007f<&>\u2028"},
		"beyond the BMP":   map[string]any{"a": "\U0001f600"},
		"pair":             json.RawMessage(`{"a": "\uD83D\uDE00"}`),
		"escaped quote":    json.RawMessage(`{"a": "\\\"\\"}`),
		"as deep as goes":  json.RawMessage(`{"a": ` + strings.Repeat("[", 1022) + strings.Repeat("]", 1022) + `}`),
		"brackets in text": map[string]any{"a": strings.Repeat("[{", 2000)},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, session.Execute(t.Context(), "command", arguments, nil))
		})
	}
}

func TestCheckKeepsACommandFromBeingSent(t *testing.T) {
	wrong := errors.New("no such argument")
	session, s := open(t, qmp.Options{Check: func(command string, arguments json.RawMessage) error {
		if string(arguments) == `{"typo":1}` {
			return wrong
		}
		return nil
	}})
	err := session.Execute(t.Context(), "migrate", map[string]int{"typo": 1}, nil)
	require.ErrorIs(t, err, wrong)
	go session.Execute(t.Context(), "migrate", nil, nil)
	require.Empty(t, s.hear().Arguments)
}

func TestAliveOvertakesOutOfBand(t *testing.T) {
	session, s := open(t, qmp.Options{})
	go session.Execute(t.Context(), "hang", nil, nil)
	s.hear()
	go func() {
		r := s.hear()
		s.say(`{"id": %d, "error": {"class": "GenericError", "desc": "The command %s does not support OOB"}}`, r.ID, r.ExecOOB)
	}()
	require.NoError(t, session.Alive(t.Context()))
}

func TestAliveSaysWhenNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go s.hear()
		require.ErrorIs(t, session.Alive(ctx), context.DeadlineExceeded)
		session.Close()
		_, closed := errors.AsType[*qmp.ClosedError](session.Alive(t.Context()))
		require.True(t, closed)
	})
}

func TestEveryoneWhoWaitsGetsTheSameErrorAtOnce(t *testing.T) {
	explained := errors.New("exit status 1: out of memory")
	session, s := open(t, qmp.Options{Explain: func(err error) error { return fmt.Errorf("%w: %w", explained, err) }})
	failures := make(chan error, 12)
	for range 9 {
		go func() { failures <- session.Execute(t.Context(), "wait", nil, nil) }()
	}
	go func() { failures <- session.ExecuteOOB(t.Context(), "wait", nil, nil) }()
	go func() { _, err := session.Wait(t.Context(), 0, "NEVER"); failures <- err }()
	go func() {
		for _, err := range session.Events(t.Context(), 0) {
			failures <- err
		}
	}()
	for range 8 { // seven, and the one out of band
		s.hear()
	}
	s.conn.Close()
	for range 12 {
		err := <-failures
		closed, ok := errors.AsType[*qmp.ClosedError](err)
		require.True(t, ok, "%v", err)
		require.Same(t, session.Err(), error(closed))
		require.ErrorIs(t, err, explained)
	}
	<-session.Done()
	require.Same(t, session.Err(), session.Execute(t.Context(), "late", nil, nil))
	require.NoError(t, session.Close())
}

func TestCloseIsNoAccident(t *testing.T) {
	session, _ := open(t, qmp.Options{Explain: func(error) error { t.Error("nothing to explain"); return nil }})
	require.NoError(t, session.Err())
	require.NoError(t, session.Close())
	require.NoError(t, session.Close())
	require.ErrorIs(t, session.Err(), net.ErrClosed)
	require.ErrorIs(t, session.Execute(t.Context(), "late", nil, nil), net.ErrClosed)
}

// A question that nobody answers, asked again and again, must not pile up.
func TestOutOfBandCommandsThatAreNeverAnsweredAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		go io.Copy(io.Discard, s.conn)
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, session.Alive(ctx), context.DeadlineExceeded)
			cancel()
		}
		require.Zero(t, qmp.Pending(session))
		session.Close()
	})
}
