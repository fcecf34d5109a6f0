package qmp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// What users of other clients complained about, one test each. Those that have
// a test of their own elsewhere are only named here:
//
//	bytes between two parsers of the handshake  TestEventsDuringTheHandshakeAreKept
//	events before the greeting                  TestEventsDuringTheHandshakeAreKept
//	a buffer handed out uncopied                TestARawReplyIsNotOverwritten
//	a late reply makes the reader fail          TestCancellationSurvivesTheLateReply
//	replies without ids                         TestRepliesWithoutIDAnswerInOrder
//	malformed input hangs the driver            TestWhatEndsASession

// A line limit of 64 KiB, on which query-qmp-schema breaks.
func TestTheSchemaReplyIsRead(t *testing.T) {
	session, s := open(t, qmp.Options{})
	entity := `{"name": "query-status", "ret-type": "1", "meta-type": "command", "arg-type": "0"},`
	schema := "[" + strings.TrimSuffix(strings.Repeat(entity, 3000), ",") + "]"
	s.serve(func(r request) string { return returning(r, schema) })
	var got []struct{ Name string }
	require.NoError(t, session.Execute(t.Context(), "query-qmp-schema", nil, &got))
	require.Len(t, got, 3000)
}

// A slow event consumer that holds up all replies.
func TestAReaderThatSleepsHoldsUpNobody(t *testing.T) {
	session, s := open(t, qmp.Options{EventLog: 16})
	waiting, wake := make(chan struct{}), make(chan struct{})
	var lost uint64
	var group sync.WaitGroup
	group.Go(func() {
		for event, err := range session.Events(t.Context(), 0) {
			switch l, isLost := err.(*qmp.LostError); {
			case isLost:
				lost += l.Lost
			case err != nil:
				return
			case event.Name == "FIRST":
				close(waiting)
				<-wake
			}
		}
	})
	s.say(`{"event": "FIRST"}`)
	<-waiting
	s.serve(func(r request) string {
		return strings.Repeat(`{"event": "E"}`, 100) + returning(r, "{}")
	})
	for range 50 {
		require.NoError(t, session.Execute(t.Context(), "query", nil, nil))
	}
	close(wake)
	require.NoError(t, session.Close())
	group.Wait()
	require.EqualValues(t, 50*100-16, lost, "an honest gap")
}

// Subscribing after the action is too late.
func TestAnEventBeforeAnyoneWaitsIsFound(t *testing.T) {
	session, s := open(t, qmp.Options{})
	before := session.Mark()
	s.serve(func(r request) string { return `{"event": "STOP"}` + returning(r, "{}") })
	require.NoError(t, session.Execute(t.Context(), "stop", nil, nil))
	_, err := session.Wait(t.Context(), before, "STOP")
	require.NoError(t, err)
}

// A stale DEVICE_DELETED satisfies the next wait.
func TestAStaleEventDoesNotSatisfyTheNextWait(t *testing.T) {
	session, s := open(t, qmp.Options{})
	n := 0
	s.serve(func(r request) string {
		n++
		event := fmt.Sprintf(`{"event": "DEVICE_DELETED", "data": {"device": "d%d"}}`, n)
		return event + event + returning(r, "{}") // QEMU sends two: by id and by path
	})
	for i := 1; i <= 5; i++ {
		event, err := session.ExecuteWait(t.Context(), "device_del", nil, nil, "DEVICE_DELETED")
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(`{"device": "d%d"}`, i), string(event.Data))
	}
}

// Handlers in goroutines of their own lose the order of events.
func TestEveryReaderSeesEveryEventOnceInOrder(t *testing.T) {
	session, s := open(t, qmp.Options{})
	const events = 2000
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			var next qmp.Mark
			for event, err := range session.Events(t.Context(), 0) {
				if err != nil || event.Place != next || string(event.Data) != fmt.Sprint(next) {
					t.Errorf("%v: %+v at %d", err, event, next)
					return
				}
				if next++; next == events {
					return
				}
			}
		})
	}
	for n := range events {
		s.say(`{"event": "E", "data": %d}`, n)
	}
	readers.Wait()
}

// Calls without bound, and one silent VM that hangs the listing of all.
func TestASilentPeerCostsWhatTheCallerAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, s := open(t, qmp.Options{})
		go func() {
			for s.hear().Execute != "" {
			}
		}()
		for _, timeout := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			start := time.Now()
			require.ErrorIs(t, session.Execute(ctx, "query-status", nil, nil), context.DeadlineExceeded)
			require.Equal(t, timeout, time.Since(start))
			cancel()
		}
		session.Close()
	})
}

// Schema drift kills the decoder: members that nobody knew.
func TestUnknownMembersAreNoError(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string {
		return fmt.Sprintf(`{"event": "E", "data": {"old": 1, "new": {}}, "later": []}{"return": {"status": "a state of tomorrow", "new": [1]}, "later": 1, "id": %d}`, r.ID)
	})
	var status struct{ Status string }
	event, err := session.ExecuteWait(t.Context(), "query-status", nil, &status, "E")
	require.NoError(t, err)
	require.Equal(t, "a state of tomorrow", status.Status)
	var data struct{ Old int }
	require.NoError(t, event.Decode(&data))
	require.Equal(t, 1, data.Old)
}

// Error replies that never complete their waiter, events without data that are
// taken for something else.
func TestErrorsCompleteAndBareEventsAreEvents(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.serve(func(r request) string {
		return fmt.Sprintf(`{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "RESUME"}{"error": {"class": "GenericError", "desc": "no"}, "id": %d}`, r.ID)
	})
	require.Error(t, session.Execute(t.Context(), "cont", nil, nil))
	event, err := session.Wait(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, "RESUME", event.Name)
}

// Iterators that never end at disconnect.
func TestIteratorsEndWithTheSession(t *testing.T) {
	session, s := open(t, qmp.Options{})
	s.say(`{"event": "A"}`)
	go s.conn.Close()
	var errs, events int
	for _, err := range session.Events(t.Context(), 0) {
		if err != nil {
			errs++
		} else {
			events++
		}
	}
	require.Equal(t, 1, errs)
	require.Equal(t, 1, events)
}

// Unbounded queues and a history kept for ever. And a million events: none lost
// within the bound, commands not held up, memory bounded.
func TestAMillionEventsWhileCommandsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds; run without -short")
	}
	events := 1_000_000
	if raceEnabled {
		events = 100_000 // ten times slower
	}
	client, peer := net.Pipe()
	s := newServer(t, peer)
	go func() {
		s.say("%s", greeting)
		s.answer(s.hear(), "{}")
	}()
	session, err := qmp.New(t.Context(), client, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()

	go func() { // the flood, and replies between
		block := []byte(strings.Repeat(`{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "RTC_CHANGE", "data": {"offset": 1}}`+"\r\n", 100))
		asked := make(chan request, 8)
		go func() {
			defer close(asked)
			for r := s.hear(); r.Execute != ""; r = s.hear() {
				asked <- r
			}
		}()
		for n := 0; n < events; n += 100 {
			if _, err := peer.Write(block); err != nil {
				return
			}
			select {
			case r := <-asked:
				s.answer(r, "{}")
			default:
			}
		}
		s.say(`{"event": "LAST"}`)
		for r := range asked {
			s.answer(r, "{}")
		}
	}()

	commands := make(chan int, 1)
	go func() {
		n := 0
		for session.Mark() <= qmp.Mark(events) {
			if session.Execute(t.Context(), "query-status", nil, nil) != nil {
				break
			}
			n++
		}
		commands <- n
	}()

	var seen, lost uint64
	for event, err := range session.Events(t.Context(), 0) {
		if l, ok := err.(*qmp.LostError); ok {
			lost += l.Lost
			continue
		}
		require.NoError(t, err)
		require.EqualValues(t, seen+lost, event.Place)
		if seen++; event.Name == "LAST" {
			break
		}
	}
	require.EqualValues(t, events+1, seen+lost, "every event is seen, or counted as lost")
	require.Positive(t, <-commands)
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	require.Less(t, stats.HeapInuse, uint64(32<<20))
	first, err := session.Wait(t.Context(), session.Mark()-qmp.DefaultEventLog)
	require.NoError(t, err, "the last %d are kept", qmp.DefaultEventLog)
	require.JSONEq(t, `{"offset": 1}`, string(first.Data))
	var raw json.RawMessage
	require.NoError(t, session.Execute(t.Context(), "query-status", nil, &raw))
}
