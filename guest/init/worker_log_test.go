//go:build linux

package main

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

func TestMessagesOfTheKernelAreToldApart(t *testing.T) {
	const warning, info = "4,100,30000000,-;", "6,100,30000000,-;"
	for name, c := range map[string]struct {
		before, after []string
		complaints    []string // what each has found
	}{
		"a warning": {nil, []string{warning + "Dazed and confused, but trying to continue\n"}, []string{`30\.000 s after its boot, level 4: expected no warning, lockup or failure, found "Dazed and confused, but trying to continue"$`}},
		"a lockup":  {nil, []string{"0,1,30000000,-;watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]"}, []string{"level 0: .*soft lockup"}},
		"a link that is down, which is no warning": {nil, []string{info + "e1000e 0000:00:04.0 eth0: NIC Link is Down\n SUBSYSTEM=pci\n"}, []string{`level 6: .*found "e1000e 0000:00:04.0 eth0: NIC Link is Down"$`}},
		"what it says at other times":              {nil, []string{info + "ACPI: Enabled at IRQ 10"}, nil},
		"what it said when it booted":              {[]string{warning + "mtrr: 3 of 5 are odd"}, []string{warning + "mtrr: 4 of 7 are odd"}, nil},
		"another than when it booted":              {[]string{warning + "mtrr: 3 of 5 are odd"}, []string{warning + "mtrr: 3 of 5 are gone"}, []string{"are gone"}},
		"what the guest's own program writes":      {nil, []string{"12,100,30000000,-;" + "I/O error"}, nil},
		"how long the host gave the guest no time": {nil, []string{warning + "hrtimer: interrupt took 231110740 ns"}, nil},
		"a splat, whose lines are complained of once": {nil, []string{
			warning + "------------[ cut here ]------------", warning + "WARNING: CPU: 0 PID: 1 at kernel/x.c:5", warning + "Modules linked in:", "4,102,30000090,-;RIP: 0010:x+0x5",
		}, []string{"WARNING: CPU: 0"}},
		"the same again":                   {nil, []string{"3,1,30000000,-;I/O error, dev vda, sector 5", "3,2,39000000,-;I/O error, dev vda, sector 7"}, []string{"sector 5"}},
		"two of them":                      {nil, []string{"3,1,30000000,-;I/O error, dev vda, sector 5", "3,2,39000000,-;virtio_net: odd"}, []string{"sector 5", "odd"}},
		"what is no message of the kernel": {nil, []string{"", ";", "x,1,1,-;I/O error", "3,1;I/O error", "3,1,x,-;I/O error"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			l := &kernelLog{w: w, before: map[string]bool{}, said: map[string]bool{}}
			inBackground(t, func() {
				for _, m := range c.before {
					l.take(m)
				}
				l.take("15,9,29999999,-;" + logAsked)
				for _, m := range c.after {
					l.take(m)
				}
				w.tellNow(1)
			})
			lines := heard(t, r, func(all []wire.Line) bool { _, ok := last[wire.Counts](t, all, wire.SaysCounts); return ok })
			require.Len(t, lines, len(c.complaints)+1, "%s", lines)
			for i, want := range c.complaints {
				var said wire.Complaint
				require.NoError(t, lines[i].Into(&said))
				require.Regexp(t, want, said.Text)
			}
		})
	}
}

// TestTheLogIsReadToItsEnd, also where messages were overwritten before they were read.
func TestTheLogIsReadToItsEnd(t *testing.T) {
	w, _ := aWitness(t, nil)
	l := &kernelLog{w: w, before: map[string]bool{}, said: map[string]bool{}}
	buf := make([]byte, logLine)
	failing := errors.New("failing")
	for _, end := range []error{syscall.EAGAIN, failing} {
		left := []any{"6,1,1,-;one", syscall.EPIPE, syscall.EINTR, "15,2,2,-;" + logOwn, "6,3,3,-;three", end}
		err := l.read(func() (int, error) {
			next := left[0]
			left = left[1:]
			if err, ok := next.(error); ok {
				return 0, err
			}
			return copy(buf, next.(string)), nil
		}, buf)
		if end == failing {
			require.ErrorIs(t, err, failing)
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]uint64{"lines": 6, "read": 2, "overrun": 2}, w.counts)
}
