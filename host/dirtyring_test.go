package host

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARingThatTellsOfEveryWrittenPageIsSound(t *testing.T) {
	memory := make([]byte, 3*pageSize)
	check := newRingCheck(memory)
	memory[0]++
	memory[pageSize]++
	require.NoError(t, check.look(map[int]bool{0: true, 1: true}))
	memory[pageSize]++
	require.NoError(t, check.look(map[int]bool{1: true, 2: true}), "a page told of that wasn't written")
	require.NoError(t, check.look(map[int]bool{-256: true}), "a page elsewhere")
}

func TestAWrittenPageThatTheRingDidNotTellOfIsCounted(t *testing.T) {
	memory := make([]byte, 3*pageSize)
	check := newRingCheck(memory)
	memory[0]++
	require.NoError(t, check.look(map[int]bool{0: true}))
	memory[pageSize]++
	memory[2*pageSize]++
	err := check.look(map[int]bool{0: true, 2: true})
	require.Equal(t, &DirtyRingError{Written: 3, Reported: 2}, err)
	require.EqualError(t, err, "this host's KVM loses entries of its dirty ring: of 3 pages that a small guest wrote, it reported 2")
}
