//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// TestATimeThatIsSetIsNoticed, once, and how far apart the looks of a busy guest are doesn't matter.
func TestATimeThatIsSetIsNoticed(t *testing.T) {
	const boot = 1700 * time.Hour
	for name, c := range map[string]struct {
		looks [][2]time.Duration // the least and the most that CLOCK_REALTIME is ahead
		said  string
	}{
		"it goes on":               {[][2]time.Duration{{boot, boot + 5}, {boot - time.Second, boot + 2}, {boot + 1, boot + time.Second}}, ""},
		"it is set back":           {[][2]time.Duration{{boot, boot + 5}, {boot - time.Hour, boot - time.Hour + 7}, {boot - time.Hour, boot - time.Hour + 9}}, "CLOCK_REALTIME was set: it is 3599999 ms behind what it was against CLOCK_BOOTTIME"},
		"it is set ahead by a bit": {[][2]time.Duration{{boot, boot + 5}, {boot + 3*time.Millisecond, boot + 4*time.Millisecond}}, "CLOCK_REALTIME was set: it is 2 ms ahead"},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			go func() {
				clock := &setClock{}
				for _, l := range c.looks {
					clock.take(w, l[0], l[1])
				}
				w.tellNow(1)
			}()
			lines := heardReport(t, r, 1)
			if c.said == "" {
				require.Len(t, lines, 1, "%s", lines)
				return
			}
			require.Len(t, lines, 2, "%s", lines)
			var said wire.Complaint
			require.NoError(t, lines[0].Into(&said))
			require.Contains(t, said.Text, c.said)
		})
	}
}
