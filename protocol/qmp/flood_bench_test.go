//go:build unix

package qmp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// BenchmarkCommandAmongEvents says how much longer a command takes when its reply
// comes behind a burst of events, from a peer that thinks as long as QEMU does.
// With 50 events a command, 20,000 commands bring a million.
func BenchmarkCommandAmongEvents(b *testing.B) {
	const thinks = 350 * time.Microsecond
	event := `{"timestamp": {"seconds": 1500000000, "microseconds": 123456}, "event": "RTC_CHANGE", "data": {"offset": 1, "qom-path": "/machine/unattached/device[0]"}}` + "\r\n"
	median := func(b *testing.B, events int) time.Duration {
		client, peer := pair(b)
		s := newServer(b, peer)
		go func() {
			s.say("%s", greeting)
			s.answer(s.hear(), "{}")
			burst := []byte(strings.Repeat(event, events))
			for r := s.hear(); r.Execute != ""; r = s.hear() {
				_, _ = peer.Write(burst)
				for start := time.Now(); time.Since(start) < thinks; { // as busy as QEMU is
				}
				_, _ = fmt.Fprintf(peer, "%s\r\n", returning(r, `{"status": "running"}`))
			}
		}()
		session, err := qmp.New(b.Context(), client, qmp.Options{})
		require.NoError(b, err)
		defer session.Close()
		took := make([]time.Duration, 1000)
		for i := range took {
			start := time.Now()
			require.NoError(b, session.Execute(b.Context(), "query-status", nil, nil))
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	var quiet, flooded time.Duration
	for b.Loop() {
		quiet, flooded = median(b, 0), median(b, 50)
	}
	b.ReportMetric(float64(quiet.Microseconds()), "quiet-us")
	b.ReportMetric(float64(flooded.Microseconds()), "flooded-us")
	b.ReportMetric(float64(flooded)/float64(quiet), "flooded/quiet")
	b.ReportMetric(0, "ns/op")
}
