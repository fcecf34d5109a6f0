package ram

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/record"
)

// filled is tide's memory in a generation, which has come up to a page; doctor may change a
// page.
func filled(t *testing.T, pages, generation, at int, doctor func(n int, page []byte)) *record.WorkloadFacts {
	t.Helper()
	return filledOn(t, "x86_64", pages, generation, at, doctor)
}

func filledOn(t *testing.T, arch string, pages, generation, at int, doctor func(n int, page []byte)) *record.WorkloadFacts {
	t.Helper()
	p, err := fixtures.Named(fixtures.Tide, arch)
	require.NoError(t, err)
	p = p.Over(pages)
	w := NewWorkload(p)
	table := make([]byte, PageSize)
	p.ByteOrder().PutUint32(table[fixtures.TideGeneration:], uint32(generation))
	p.ByteOrder().PutUint32(table[fixtures.TideAt:], uint32(p.Start)+uint32(at)*PageSize)
	w.Page(p.Scratch[0].Start, table)
	for n := range pages {
		page, of := make([]byte, PageSize), generation
		if n >= at {
			of--
		}
		fixtures.FillPage(page, uint32(n), uint32(of))
		if doctor != nil {
			doctor(n, page)
		}
		w.Page(p.Start+uint64(n)*PageSize, page)
	}
	return w.Done()
}

func TestGenerationOfEachPageIsFound(t *testing.T) {
	for _, generation := range []int{2, 3, 8, 127, 128, 1000, 70_000} {
		for _, at := range []int{0, 1, 5, 63, 100} {
			w := filled(t, 100, generation, at, nil)
			require.Zero(t, w.WrongTotal, "generation %d at %d", generation, at)
			for _, run := range w.Runs {
				want := byte(generation)
				if run.Address >= 1<<20+uint64(at)*PageSize {
					want--
				}
				require.Equal(t, want, run.Value, "generation %d at %d: %v", generation, at, w.Runs)
			}
		}
	}
}

// TestTableIsReadInTheMachinesOrderOfBytes: it says which page may be of two generations.
func TestTableIsReadInTheMachinesOrderOfBytes(t *testing.T) {
	for _, arch := range fixtures.Archs(fixtures.Tide) {
		w := filledOn(t, arch, 64, 9, 41, func(m int, page []byte) {
			if m == 41 {
				now := make([]byte, PageSize)
				fixtures.FillPage(now, 41, 9)
				copy(page[:2000], now)
			}
		})
		require.Zero(t, w.WrongTotal, arch)
	}
}

func TestEveryByteOfAPageIsHeldAgainstItsGeneration(t *testing.T) {
	for n := 20; n < 28; n++ { // each kind
		for _, i := range []int{0, 1, 1023, 1024, 1029, 1030, 2047, PageSize - 1} {
			w := filled(t, 64, 0x1239, 40, func(m int, page []byte) {
				if m == n {
					page[i] ^= 0x10
				}
			})
			require.Equal(t, 1, w.WrongTotal, "page %d, byte %d", n, i)
			require.Equal(t, uint64(1<<20+n*PageSize+i), w.Wrong[0].Address)
			require.Equal(t, w.Wrong[0].Expected^0x10, w.Wrong[0].Found)
		}
	}
}

func TestPageThatIsStaleIsOfItsOwnGeneration(t *testing.T) {
	for n := 20; n < 28; n++ {
		for _, old := range []uint32{7, 6, 2} {
			w := filled(t, 64, 9, 40, func(m int, page []byte) {
				if m == n {
					fixtures.FillPage(page, uint32(n), old)
				}
			})
			require.Zero(t, w.WrongTotal)
			stale := 0
			for _, run := range w.Runs {
				if run.Value < 8 {
					stale += run.Pages
					require.Equal(t, uint64(1<<20+n*PageSize), run.Address)
				}
			}
			// A page of zeros is the same in each eighth generation.
			require.Equal(t, 1, stale, "page %d of generation %d: %v", n, old, w.Runs)
		}
	}
}

// TestPageThatIsBeingFilledMayBeOfTwoGenerations: that one, and no other.
func TestPageThatIsBeingFilledMayBeOfTwoGenerations(t *testing.T) {
	for at := 40; at < 48; at++ {
		torn := func(n int) func(m int, page []byte) {
			return func(m int, page []byte) {
				if m == n {
					now := make([]byte, PageSize)
					fixtures.FillPage(now, uint32(n), 9)
					copy(page[:2000], now)
				}
			}
		}
		require.Zero(t, filled(t, 64, 9, at, torn(at)).WrongTotal, at)
	}
	other := make([]byte, PageSize)
	fixtures.FillPage(other, 50, 9)
	w := filled(t, 64, 9, 40, func(m int, page []byte) {
		if m == 51 { // full in both
			fixtures.FillPage(other, 51, 9)
			copy(page[:2000], other)
		}
	})
	require.Positive(t, w.WrongTotal)
}
