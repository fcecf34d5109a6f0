package ram

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
)

// TestMemoryAboveFourGiBIsMarked, at both of its ends, whether the guest begins with it or
// it was plugged; what lies between RAM and there is a device's.
func TestMemoryAboveFourGiBIsMarked(t *testing.T) {
	program, err := fixtures.For("x86_64")
	require.NoError(t, err)
	end := uint64(program.MemoryMiB) << 20
	dimm := fixtures.Range{Start: high, End: high + 128<<20}
	large := fixtures.Range{Start: dimm.End, End: dimm.End + 64<<30}
	one := fixtures.Range{Start: large.End, End: large.End + PageSize}
	marks := marked(program, []fixtures.Range{{Start: 0, End: end}, {Start: 0xfd000000, End: 0xfe000000}, dimm, large, one})
	for _, at := range []uint64{program.End, end - PageSize, dimm.Start, dimm.End - PageSize, large.Start, large.End - PageSize, one.Start} {
		require.Contains(t, marks, at)
	}
	require.True(t, slices.IsSorted(marks))
	require.Len(t, slices.Compact(slices.Clone(marks)), len(marks))
	inLarge := 0
	for _, at := range marks {
		require.True(t, at < end || at >= high, "%#x", at)
		require.Zero(t, at%PageSize)
		if large.Contains(at) {
			inLarge++
		}
	}
	require.Greater(t, inLarge, mostMarks/2)
	require.LessOrEqual(t, inLarge, mostMarks+1)
}
