//go:build linux && (amd64 || arm64)

package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRegistersAreHeldWhileTheRuntimeGoesOn(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() { // stops the world, which interrupts threads by signals
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	require.NoError(t, onEach(vcpusOnline()[:1], func(int) {
		r := newRegisterSet()
		for seed := range uint64(100) {
			if wrong := r.hold(seed, 1_000_000); len(wrong) > 0 {
				t.Errorf("seed %d: %s", seed, wrong)
			}
		}
	}))
}

func TestSpinsFollowTheTimeThatTheyTake(t *testing.T) {
	for took, want := range map[time.Duration]uint64{
		time.Millisecond: 80_000, cpuHold: 40_000, 2 * cpuHold: 40_000, time.Minute: 20_000,
	} {
		require.Equal(t, want, spinsFor(40_000, took), took)
	}
	require.Equal(t, uint64(20_000), spinsFor(20_000, time.Minute), "never fewer")
}

func TestARegisterThatChangesIsNamedWithBothValues(t *testing.T) {
	wrong := compare(nil, "MXCSR", []byte{0x80, 0x1f}, []byte{0x80, 0x1f})
	require.Empty(t, wrong)
	wrong = compare(wrong, "MXCSR", []byte{0x80, 0x7f, 0, 0}, []byte{0x80, 0x1f, 0, 0})
	require.Equal(t, "MXCSR: expected 0x00007f80, found 0x00001f80", wrong[0].String())
}
