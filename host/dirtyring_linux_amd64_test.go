package host

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func needDirtyRing(t *testing.T) {
	t.Helper()
	switch kvm := KVMState(); {
	case !kvm.Usable:
		t.Skipf("KVM can't be used here: %v; %s", kvm.Err, kvm.Fact().Remedy)
	case !kvm.DirtyRing:
		t.Skip("this kernel's KVM has no dirty ring, which came with Linux 5.11")
	}
}

// A guest that writes to new pages with nearly every instruction finds out the worst.
func TestADirtyRingIsSoundOrWhatItLostIsCounted(t *testing.T) {
	needDirtyRing(t)
	err := tryDirtyRing(ringProgram(16, nil))
	if lost, ok := errors.AsType[*DirtyRingError](err); ok {
		require.Less(t, lost.Reported, lost.Written)
		t.Log(lost)
		return
	}
	require.NoError(t, err)
}

// Even a KVM that looks at its ring only now and then looks in time, where the guest
// ends its turn often, as the one of DirtyRing does, or writes to few pages for so many
// instructions: the loss above isn't of our own making.
func TestADirtyRingThatIsLookedAtInTimeLosesNothing(t *testing.T) {
	needDirtyRing(t)
	require.NoError(t, DirtyRing())
	const nop = 0x90
	require.NoError(t, tryDirtyRing(ringProgram(1, bytes.Repeat([]byte{nop}, 60))))
}

func TestTheDirtyRingLeavesNoDescriptor(t *testing.T) {
	needDirtyRing(t)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	_ = DirtyRing()
	before := count()
	_ = DirtyRing()
	require.Equal(t, before, count())
}
