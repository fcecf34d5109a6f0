package stream_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// seenPages reads a stream, from a file or from front to back, and gathers its pages.
func seenPages(b []byte, asFile bool, size int, o stream.Options) (*stream.Stream, map[uint64][]byte, error) {
	pages := map[uint64][]byte{}
	o.Page = func(p stream.Page) error {
		page := make([]byte, size)
		pages[p.Address] = page
		return p.Onto(page)
	}
	if asFile {
		s, err := readFile(b, o)
		return s, pages, err
	}
	s, err := stream.Read(bytes.NewReader(b), o)
	return s, pages, err
}

// TestTheStreamIsBelievedOnItsPages: what tells their size, first from the front and then
// only at the end, from a file as well as from front to back, where nothing has told it
// before the pages come.
func TestTheStreamIsBelievedOnItsPages(t *testing.T) {
	for size := uint64(256); size <= 65536; size *= 2 {
		for name, build := range map[string]func(uint64) []byte{
			"the configuration": func(size uint64) []byte {
				b := build().machine("virt").u8(5).name("configuration/target-page-bits").u32(1).u32(uint32(bits.TrailingZeros64(size)))
				return b.sizedRAM(size, 10).end(noDevices)
			},
			"postcopy": func(size uint64) []byte {
				b := build().machine("virt").u8(8).u16(3).u16(16).u64(4096).u64(size)
				return b.sizedRAM(size, 10).end("")
			},
			"the description": func(size uint64) []byte {
				return build().machine("sun4u").sizedRAM(size, 10).end(fmt.Sprintf(`{"page_size": %d, "devices": []}`, size))
			},
			"nothing": func(size uint64) []byte { return build().machine("sun4u").sizedRAM(size, 10).end("") },
		} {
			t.Run(fmt.Sprintf("%s tells %d", name, size), func(t *testing.T) {
				for _, asFile := range []bool{true, false} {
					b := build(size)
					s, pages, err := seenPages(b, asFile, int(size), stream.Options{})
					require.NoError(t, err)
					require.Empty(t, s.Check())
					ram := s.RAM.Blocks[0]
					require.EqualValues(t, 10, ram.Pages)
					require.EqualValues(t, 10, ram.Sent)
					require.EqualValues(t, 3, ram.Normal)
					require.Len(t, pages, 10)
					require.Equal(t, bytes.Repeat([]byte("e"), int(size)), pages[4*size])
				}
			})
		}
	}
}

// TestWhatTheStreamTellsGoesBeforeWhatTheCallerSays about pages.
func TestWhatTheStreamTellsGoesBeforeWhatTheCallerSays(t *testing.T) {
	b := build().machine("sun4u").sizedRAM(8192, 10).end(`{"page_size": 8192, "devices": []}`)
	s, err := readFile(b, stream.Options{PageSize: 4096})
	require.NoError(t, err)
	require.EqualValues(t, 10, s.RAM.Blocks[0].Sent)

	b = build().machine("sun4u").sizedRAM(8192, 10).end("")
	for _, asFile := range []bool{true, false} {
		s, _, err := seenPages(b, asFile, 8192, stream.Options{PageSize: 8192})
		require.NoError(t, err)
		require.EqualValues(t, 10, s.RAM.Blocks[0].Sent)
		_, _, err = seenPages(b, asFile, 4096, stream.Options{PageSize: 4096})
		require.Error(t, err)
	}
}

func TestPartsThatDisagreeOnPagesAreTold(t *testing.T) {
	b := build().machine("virt").u8(5).name("configuration/target-page-bits").u32(1).u32(14)
	b.u8(8).u16(3).u16(16).u64(4096).u64(4096)
	s, said := both(t, b.sizedRAM(16384, 4).end(`{"page_size": 4096, "devices": []}`))
	require.Contains(t, said, "the command postcopy-advise has pages of 4096 bytes, and the configuration has pages of 16384")
	require.Len(t, s.Remarks(), 1, "no destination looks at the description")
	require.Contains(t, s.Remarks()[0].What, "the description has pages of 4096 bytes, and the stream has pages of 16384")

	_, said = both(t, build().machine("virt").u8(8).u16(3).u16(16).u64(4096).u64(3000).sizedRAM(4096, 4).end(""))
	require.Contains(t, said, "the command postcopy-advise has pages of 3000 bytes")
	_, said = both(t, build().machine("x").sizedRAM(4096, 4).end(`{"page_size": 3000, "devices": []}`))
	require.Empty(t, said)
}

// TestPagesOfRealTargetsWithOneSizeAreRead: no part of these streams but the description
// tells the size, which is not 4096.
func TestPagesOfRealTargetsWithOneSizeAreRead(t *testing.T) {
	for name, size := range map[string]int{"10.0-sparc64": 8192, "7.2-avr": 256, "7.2-s390x": 4096} {
		t.Run(name, func(t *testing.T) {
			b := recorded(t, name)
			whole, pages, err := seenPages(b, true, size, stream.Options{})
			require.NoError(t, err)
			require.Empty(t, whole.Check())
			piped, others, err := seenPages(b, false, size, stream.Options{})
			require.NoError(t, err)
			require.Empty(t, piped.Check())
			require.Equal(t, pages, others)
			require.Equal(t, whole.Sections, piped.Sections)
			all := int64(0)
			for i, block := range whole.RAM.Blocks {
				require.EqualValues(t, block.Length/uint64(size), block.Pages)
				require.Equal(t, block.Pages, block.Sent)
				require.Equal(t, block.Pages, piped.RAM.Blocks[i].Sent)
				all += block.Sent
			}
			require.Equal(t, all, whole.RAM.All())
		})
	}
}
