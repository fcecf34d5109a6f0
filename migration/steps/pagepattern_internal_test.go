package steps

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/internal/ram"
)

// TestPagePatternIsWhereNobodyWrites: above what the guest programs work on, in RAM.
func TestPagePatternIsWhereNobodyWrites(t *testing.T) {
	for _, p := range fixtures.All() {
		all := stretches(p.RAMStart)
		slices.SortFunc(all, func(a, b stretch) int { return cmp.Compare(a.at, b.at) })
		last := p.Workload().End
		for _, s := range all {
			require.GreaterOrEqual(t, s.at, last, p.Arch)
			last = s.at + stretchPages*ram.PageSize
		}
		require.LessOrEqual(t, last, p.RAMEnd(), p.Arch)
	}
}

func TestNoTwoPagesOfAStretchAreTheSame(t *testing.T) {
	for _, s := range stretches(0) {
		for pattern, value := range s.hold {
			seen := map[string]bool{}
			for n := range stretchPages {
				page := s.page(n, pattern)
				require.Len(t, page, ram.PageSize)
				switch {
				case value == 0:
					require.True(t, ram.IsZero(page))
				case s.kind == singleBytes:
					require.Equal(t, ram.PageSize-1, bytes.Count(page, []byte{0}))
					require.Contains(t, page, value)
				default:
					require.Contains(t, page[2:], value)
					require.False(t, seen[string(page)], "page %d of the stretch at %#x", n, s.at)
					seen[string(page)] = true
				}
			}
		}
	}
}

// TestPagePatternsChangeInEveryWay: from data to zero, back, and to other data, whichever
// way the page holds it.
func TestPagePatternsChangeInEveryWay(t *testing.T) {
	ways := map[stretchKind]map[string]bool{fullPages: {}, singleBytes: {}, nearlySame: {}, longRun: {}, eachEighth: {}, random: {}, words: {}}
	for _, s := range stretches(0) {
		for pattern := 1; pattern < patterns; pattern++ {
			switch was, is := s.hold[pattern-1], s.hold[pattern]; {
			case was == is:
				ways[s.kind]["stays"] = true
			case was == 0:
				ways[s.kind]["zero to data"] = true
			case is == 0:
				ways[s.kind]["data to zero"] = true
			default:
				ways[s.kind]["data to data"] = true
			}
		}
	}
	require.Len(t, ways[fullPages], 4)
	require.Equal(t, map[string]bool{"stays": true, "zero to data": true, "data to zero": true}, ways[singleBytes])
	require.Equal(t, map[string]bool{"data to data": true, "zero to data": true, "data to zero": true}, ways[nearlySame])
}

func TestWhatAStretchHeldBeforeIsSaid(t *testing.T) {
	s := stretch{hold: [patterns]byte{1, 2, 3, 4}}
	require.Empty(t, s.heldBefore([]int{1}))
	require.Equal(t, ", which held 0x2 before", s.heldBefore([]int{1, 3}))
	require.Equal(t, ", which held 0x2 and 0x3 before", s.heldBefore([]int{0, 1, 2, 3}))
}
