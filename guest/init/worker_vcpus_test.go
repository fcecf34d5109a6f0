//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// threeVCPUs are two that go on, and one that doesn't.
func threeVCPUs(w *Witness) *vcpus {
	v := &vcpus{all: []*vcpu{{number: 0}, {number: 1}, {number: 2}}, rounds: newRounds(3, w), w: w}
	for _, c := range v.all {
		c.beats.Store(7)
	}
	return v
}

func TestAVCPUThatStandsStillIsComparedWithOthers(t *testing.T) {
	for name, c := range map[string]struct {
		still   time.Duration
		beats   uint64
		longest time.Duration
		said    bool
	}{
		"it stands still, and the other goes on":                  {vcpuStill + 1, vcpuBeats + 1, 0, true},
		"not for long":                                            {vcpuStill, vcpuBeats + 1, 0, false},
		"the other did not go on either":                          {time.Minute, vcpuBeats, 0, false},
		"some stood still for nearly as long before, and went on": {5 * time.Second, vcpuBeats + 1, 2 * time.Second, false},
		"or for a small part of it":                               {time.Minute, vcpuBeats + 1, 2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			v := threeVCPUs(w)
			v.longest.Store(int64(c.longest))
			own := v.all[0]
			own.beats.Store(10 + c.beats)
			go func() {
				for range 2 { // it is said once
					v.look(&watch{beats: 7, own: 10}, own, v.all[2], c.still)
				}
				w.tellNow(1)
			}()
			lines := heard(t, r, func(all []wire.Line) bool { _, ok := last[wire.Counts](t, all, wire.SaysCounts); return ok })
			complaint, said := last[wire.Complaint](t, lines, wire.SaysComplaint)
			require.Equal(t, c.said, said)
			if said {
				require.Len(t, lines, 2)
				require.Regexp(t, `^vCPU 2 has stood still for [0-9.]+ s: expected its number of beats to grow, found 7 all the time, while vCPU 0 beat 101 times$`, complaint.Text)
			}
		})
	}
}

func TestATokenThatDoesNotArriveIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	v := threeVCPUs(w)
	v.all[0].token = 1
	v.handOn(0)
	require.Equal(t, uint32(1), v.all[1].token)
	v.handOn(0)
	require.Equal(t, uint64(1), w.counts["handovers"], "it is not there any more")
	v.all[1].beats.Store(8 + vcpuBeats) // its thread beats, and does not take it
	go v.look(&watch{beats: 7, own: 7}, v.all[0], v.all[1], clock(clockMonotonic)+vcpuStill+time.Second)
	c, _ := last[wire.Complaint](t, heard(t, r, func(all []wire.Line) bool { return len(all) == 1 }), wire.SaysComplaint)
	require.Regexp(t, `^a futex's wake-up has not reached vCPU 1 for 5\.[0-9] s: `, c.Text)
}
