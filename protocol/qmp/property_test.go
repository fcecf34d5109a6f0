package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/drover-vm/drover/protocol/qmp"
)

// For any interleaving of commands, replies, events, cancellations and the end:
// every command gets its own reply or an error, every event is seen once, in
// order, by every reader, and nothing is left running.
func TestAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		synctest.Test(t, func(t *testing.T) { anyInterleaving(t, r) })
	})
}

// A caller is one command under way.
type caller struct {
	name      string
	cancel    context.CancelFunc
	cancelled bool
	done      chan struct{}
	reply     string
	err       error
}

func anyInterleaving(t *testing.T, r *rapid.T) {
	session, s := open(t, qmp.Options{})
	heard := make(chan request, 1000)
	go func() {
		defer close(heard)
		for q := s.hear(); q.Execute != "" || q.ExecOOB != ""; q = s.hear() {
			heard <- q
		}
	}()

	var callers []*caller
	var unanswered []request
	answered := map[string]bool{}
	events := 0
	execute := func(oob bool) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &caller{name: fmt.Sprintf("command-%d", len(callers)), cancel: cancel, done: make(chan struct{})}
		callers = append(callers, c)
		run := session.Execute
		if oob {
			run = session.ExecuteOOB
		}
		go func() { defer close(c.done); c.err = run(ctx, c.name, nil, &c.reply) }()
	}
	collect := func() {
		synctest.Wait()
		for {
			select {
			case q := <-heard:
				unanswered = append(unanswered, q)
				continue
			default:
			}
			return
		}
	}

	var readers sync.WaitGroup
	seen := make([][]string, 3)
	for i := range seen {
		readers.Go(func() {
			for event, err := range session.Events(t.Context(), 0) {
				if err == nil {
					seen[i] = append(seen[i], event.Name)
				}
			}
		})
	}

	cancelled := func(name string) bool {
		return slices.ContainsFunc(callers, func(c *caller) bool { return c.name == name && c.cancelled })
	}

	r.Repeat(map[string]func(*rapid.T){
		"execute": func(*rapid.T) { execute(false); collect() },
		"oob":     func(*rapid.T) { execute(true); collect() },
		"reply": func(r *rapid.T) {
			if len(unanswered) == 0 {
				r.Skip("nothing to answer")
			}
			i := rapid.IntRange(0, len(unanswered)-1).Draw(r, "which")
			q := unanswered[i]
			unanswered = append(unanswered[:i], unanswered[i+1:]...)
			name := q.Execute + q.ExecOOB
			answered[name] = true
			if rapid.Bool().Draw(r, "refused") {
				s.say(`{"error": {"class": "GenericError", "desc": "%s"}, "id": %d}`, name, q.ID)
			} else {
				s.answer(q, `"`+name+`"`)
			}
			collect()
		},
		"event": func(*rapid.T) { s.say(`{"event": "E%d"}`, events); events++ },
		"cancel": func(r *rapid.T) {
			if len(callers) == 0 {
				r.Skip("nobody waits")
			}
			c := rapid.SampledFrom(callers).Draw(r, "whom")
			c.cancelled = true
			c.cancel()
			<-c.done
			collect()
		},
		"noise": func(r *rapid.T) {
			s.say("%s", rapid.SampledFrom([]string{`{"return": {}, "id": 4000}`, `{"return": {}, "id": "x"}`, "\r\n"}).Draw(r, "what"))
		},
		"": func(r *rapid.T) {
			inBand := 0
			for _, q := range unanswered {
				if q.Execute != "" && !cancelled(q.Execute) {
					inBand++
				}
			}
			if inBand > 7 {
				r.Fatalf("%d in-band commands in flight", inBand)
			}
		},
	})

	synctest.Wait()
	if rapid.Bool().Draw(r, "peer ends it") {
		s.conn.Close()
	} else {
		session.Close()
	}
	<-session.Done()
	readers.Wait()
	for _, c := range callers {
		<-c.done
		c.cancel()
		refused, isRefused := errors.AsType[*qmp.Error](c.err)
		_, isClosed := errors.AsType[*qmp.ClosedError](c.err)
		switch {
		case c.err == nil:
			require.True(r, answered[c.name])
			require.Equal(r, c.name, c.reply)
		case isRefused:
			require.True(r, answered[c.name])
			require.Equal(r, c.name, refused.Desc)
		case isClosed:
			require.False(r, answered[c.name], "%s has been answered", c.name)
		default:
			require.ErrorIs(r, c.err, context.Canceled)
			require.True(r, c.cancelled)
		}
	}
	for _, names := range seen {
		require.Len(r, names, events)
		for i, name := range names {
			require.Equal(r, fmt.Sprintf("E%d", i), name)
		}
	}
	require.ErrorAs(r, session.Err(), new(*qmp.ClosedError))
}
