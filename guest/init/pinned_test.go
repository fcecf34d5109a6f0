//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListsOfVCPUsAreRead(t *testing.T) {
	for text, want := range map[string][]int{
		"0\n": {0}, "0-2,5\n": {0, 1, 2, 5}, "": nil, "x": nil, "0-x": nil, "3-1": nil,
	} {
		require.Equal(t, want, numbersOf(text), text)
	}
	require.NotEmpty(t, vcpusOnline())
	require.Less(t, len(numbersOf("0-99999999")), mostVCPUs+1)
}

func TestAThreadThatCanNotStayIsAnError(t *testing.T) {
	require.ErrorContains(t, onEach([]int{mostVCPUs - 1}, func(int) { t.Error("it is on no such vCPU") }), "vCPU 1023")
}
