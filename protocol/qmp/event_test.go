package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

func TestEventBeforeReplyIsKept(t *testing.T) {
	session, s := open(t, qmp.Options{})
	go func() {
		r := s.hear()
		s.say(`{"timestamp": {"seconds": 1500000000, "microseconds": 123456}, "event": "STOP"}`)
		s.answer(r, "{}")
	}()
	event, err := session.ExecuteWait(t.Context(), "stop", nil, nil, "STOP")
	require.NoError(t, err)
	require.Equal(t, "STOP", event.Name)
	require.Nil(t, event.Data, "STOP has no data")
	require.Equal(t, time.Date(2017, 7, 14, 2, 40, 0, 123456000, time.UTC), event.Time)
	var data struct{ X int }
	require.NoError(t, event.Decode(&data), "no data is no error")
}

func TestExecuteWaitDoesNotWaitForWhatWasRefused(t *testing.T) {
	session, s := open(t, qmp.Options{})
	go func() {
		s.say(`{"id": %d, "error": {"class": "CommandNotFound", "desc": "no"}}`, s.hear().ID)
	}()
	_, err := session.ExecuteWait(t.Context(), "stopp", nil, nil, "STOP")
	refused, ok := errors.AsType[*qmp.Error](err)
	require.True(t, ok)
	require.Equal(t, qmp.CommandNotFound, refused.Class)
}

func TestWaitTakesNothingAway(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.say(`{"event": "A", "data": {"n": 1}}{"event": "B"}{"event": "A", "data": {"n": 2}}`)
	for range 3 {
		first, err := session.Wait(t.Context(), 0, "A")
		require.NoError(t, err)
		require.JSONEq(t, `{"n": 1}`, string(first.Data))
		second, err := session.Wait(t.Context(), first.Next(), "X", "A")
		require.NoError(t, err)
		require.EqualValues(t, 2, second.Place)
		any, err := session.Wait(t.Context(), first.Next())
		require.NoError(t, err)
		require.Equal(t, "B", any.Name)
		chosen, err := session.WaitFunc(t.Context(), 0, func(e qmp.Event) bool {
			var data struct{ N int }
			return e.Decode(&data) == nil && data.N == 2
		})
		require.NoError(t, err)
		require.Equal(t, second, chosen)
	}
	require.EqualValues(t, 3, session.Mark())
}

func TestWaitEndsWithItsContextAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := session.Wait(ctx, 0, "STOP", "RESUME")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "STOP or RESUME")
		s.say(`{"event": "STOP"}`)
		_, err = session.Wait(t.Context(), 0, "STOP")
		require.NoError(t, err)

		_, err = session.Wait(ctx, 0, "STOP")
		require.NoError(t, err, "an ended context does not keep from seeing what has come")
		session.Close()
	})
}

func TestAReaderThatFellBehindIsToldHowFarAndGoesOn(t *testing.T) {
	session, s := open(t, qmp.Options{EventLog: 4})
	for n := range 10 {
		s.say(`{"event": "E%d"}`, n)
	}
	_, err := session.Wait(t.Context(), 9)
	require.NoError(t, err)

	_, err = session.Wait(t.Context(), 0, "E9")
	lost, ok := errors.AsType[*qmp.LostError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &qmp.LostError{Lost: 6, Next: 6}, lost)
	event, err := session.Wait(t.Context(), lost.Next, "E9")
	require.NoError(t, err)
	require.EqualValues(t, 9, event.Place)

	var seen []string
	for event, err := range session.Events(t.Context(), 2) {
		if lost, ok := errors.AsType[*qmp.LostError](err); ok {
			seen = append(seen, fmt.Sprint("lost ", lost.Lost))
			continue
		}
		require.NoError(t, err)
		if seen = append(seen, event.Name); event.Name == "E9" {
			break
		}
	}
	require.Equal(t, []string{"lost 4", "E6", "E7", "E8", "E9"}, seen)
}

func TestLargeEventsAreKeptOnlyAsFarAsMemoryIsBounded(t *testing.T) {
	const bound = 1 << 10
	session, s := open(t, qmp.Options{MaxMessage: bound})
	for range 20 {
		s.say(`{"event": "LARGE", "data": {"x": "%0500d"}}`, 0)
	}
	_, err := session.Wait(t.Context(), 19)
	require.NoError(t, err)
	_, err = session.Wait(t.Context(), 0)
	lost, ok := errors.AsType[*qmp.LostError](err)
	require.True(t, ok, "%v", err)
	require.EqualValues(t, 20-bound/520, lost.Lost)
}

func TestWaitersGetWhatCameBeforeTheEnd(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.say(`{"event": "SHUTDOWN", "data": {"guest": false}}`)
	s.conn.Close()
	<-session.Done()
	event, err := session.Wait(t.Context(), 0, "SHUTDOWN")
	require.NoError(t, err)
	_, err = session.Wait(t.Context(), event.Next(), "SHUTDOWN")
	_, closed := errors.AsType[*qmp.ClosedError](err)
	require.True(t, closed, "%v", err)
}

// A QEMU that quits closes its side. A command that can't be written any more
// must not keep the reader from what was sent before.
func TestLastWordsAreReadAfterWritingHasFailed(t *testing.T) {
	client, peer := net.Pipe()
	deaf := &deafConn{Conn: client, tried: make(chan struct{})}
	s := newServer(t, peer)
	go func() {
		s.say("%s", greeting)
		s.answer(s.hear(), "{}")
	}()
	session, err := qmp.New(t.Context(), deaf, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()

	deaf.deaf.Store(true)
	failed := make(chan error, 1)
	go func() { failed <- session.Execute(t.Context(), "late", nil, nil) }()
	<-deaf.tried
	s.say(`{"event": "SHUTDOWN"}`)
	require.NoError(t, peer.Close())
	require.ErrorIs(t, <-failed, syscall.EPIPE)
	_, err = session.Wait(t.Context(), 0, "SHUTDOWN")
	require.NoError(t, err)
}

func TestAPeerThatIsDeafAndStaysIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := net.Pipe()
		defer peer.Close()
		deaf := &deafConn{Conn: client}
		s := newServer(t, peer)
		go func() {
			s.say("%s", greeting)
			s.answer(s.hear(), "{}")
		}()
		session, err := qmp.New(t.Context(), deaf, qmp.Options{})
		require.NoError(t, err)
		deaf.deaf.Store(true)
		require.ErrorIs(t, session.Execute(t.Context(), "late", nil, nil), syscall.EPIPE)
		require.NoError(t, session.Close())
	})
}

// A deafConn fails to write from some time on.
type deafConn struct {
	net.Conn
	deaf  atomic.Bool
	tried chan struct{}
}

func (c *deafConn) Write(p []byte) (int, error) {
	if !c.deaf.Load() {
		return c.Conn.Write(p)
	}
	if c.tried != nil {
		close(c.tried)
	}
	return 0, syscall.EPIPE
}

func TestAWaitThatEndsSaysThatItsTimeIsOverAndWhoseTimeItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		done := s.serve(func(r request) string {
			if r.Execute == "hangs" {
				return ""
			}
			return returning(r, "{}")
		})
		own := errors.New("the 10s that the step may take are over")
		for name, wait := range map[string]func(ctx context.Context) error{
			"Wait": func(ctx context.Context) error { _, err := session.Wait(ctx, 0, "STOP"); return err },
			"WaitFunc": func(ctx context.Context) error {
				_, err := session.WaitFunc(ctx, 0, func(qmp.Event) bool { return false })
				return err
			},
			"Events": func(ctx context.Context) error {
				var last error
				for _, err := range session.Events(ctx, 0) {
					last = err
				}
				return last
			},
			"Execute": func(ctx context.Context) error { return session.Execute(ctx, "hangs", nil, nil) },
			"ExecuteWait": func(ctx context.Context) error {
				_, err := session.ExecuteWait(ctx, "stop", nil, nil, "STOP")
				return err
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, own)
			err := wait(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorIs(t, err, own, name)
			require.ErrorContains(t, err, own.Error(), name)
		}
		require.NoError(t, session.Close())
		<-done
	})
}
