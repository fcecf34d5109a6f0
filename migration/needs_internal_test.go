package migration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

// TestOnlyReleasesWithTheBugAreLeftOut: a newer one is tried, and shows whether it still has it.
func TestOnlyReleasesWithTheBugAreLeftOut(t *testing.T) {
	bug := Outside{First: "9.1", Last: "10.0", Bug: "it aborts"}
	for version, lacks := range map[qmp.Version]bool{
		{Major: 8, Minor: 2}: false, {Major: 9, Minor: 0, Micro: 4}: false, {Major: 9, Minor: 1}: true, {Major: 9, Minor: 2}: true,
		{Major: 10, Minor: 0, Micro: 13}: true, {Major: 10, Minor: 1}: false, {Major: 11, Minor: 0}: false,
	} {
		err := bug.of(version, "tcg")
		require.Equal(t, lacks, err != nil, "%v: %v", version, err)
		if lacks {
			reason, skip := asSkip(err)
			require.True(t, skip)
			require.Equal(t, "QEMU "+version.String()+" has a known bug, seen from 9.1 to 10.0: it aborts", reason)
		}
	}
}

// TestKnownBugOfOneAcceleratorIsNoneOfAnother: TCG's is no cause to skip under KVM.
func TestKnownBugOfOneAcceleratorIsNoneOfAnother(t *testing.T) {
	bug := Outside{First: "9.1", Last: "10.0", Bug: "it aborts", Accel: "tcg"}
	require.Equal(t, `outside 9.1 10.0 tcg "it aborts"`, bug.String())
	require.Error(t, bug.of(qmp.Version{Major: 10}, "tcg"))
	require.NoError(t, bug.of(qmp.Version{Major: 10}, "kvm"))
	require.NoError(t, bug.of(qmp.Version{Major: 11}, "tcg"))
}

// TestMachineTypeOfAScenarioIsOneThatBothQEMUsGet: a scenario says q35, which is another type to
// each QEMU; other options of the machine stay where they are.
func TestMachineTypeOfAScenarioIsOneThatBothQEMUsGet(t *testing.T) {
	both := []string{"-machine", "q35,smm=off", "-smp", "2"}
	for _, c := range []struct {
		source, destination, own []string
		machine                  string
		left                     []string
	}{
		{both, both, nil, "q35", []string{"-machine", "smm=off", "-smp", "2"}},
		{both, both, []string{"-M", "pc"}, "", both},
		{both, []string{"-machine", "pc"}, nil, "", both},
		{[]string{"-machine", "gic-version=3"}, []string{"-machine", "gic-version=3"}, nil, "", []string{"-machine", "gic-version=3"}},
	} {
		o := Options{Args: c.own}
		g := Guest{SourceArgs: c.source, DestinationArgs: c.destination}.leaveMachineTo(&o)
		require.Equal(t, c.machine, o.Machine)
		require.Equal(t, c.left, g.SourceArgs)
	}
}
