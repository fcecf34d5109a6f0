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
