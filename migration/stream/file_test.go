package stream_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

func openFile(b []byte) (*stream.File, error) {
	return stream.OpenFile(bytes.NewReader(b), int64(len(b)), stream.Options{})
}

// TestPagesOfAFileAreReadInAnyOrder of a real QEMU 10.0, whose firmware is known
// (testdata/README.md).
func TestPagesOfAFileAreReadInAnyOrder(t *testing.T) {
	f, err := openFile(recorded(t, "10.0-mapped-ram"))
	require.NoError(t, err)
	require.Empty(t, f.Check())
	require.Equal(t, 4096, f.PageSize())
	have := map[string]uint64{}
	for _, b := range f.RAM.Blocks {
		have[b.Name] = b.Length
	}
	require.Equal(t, map[string]uint64{
		"pc.bios": 64 << 10, "pc.ram": 1 << 20, "pc.rom": 128 << 10,
		"/rom@etc/acpi/tables": 128 << 10, "/rom@etc/acpi/rsdp": 4096, "/rom@etc/table-loader": 4096,
	}, have)
	page := make([]byte, f.PageSize())
	for n := 15; n >= 0; n-- {
		at := uint64(n) * 4096
		want := strings.Repeat(fmt.Sprintf("page %2d ", n), 512)
		if n%2 == 0 {
			want = strings.Repeat("\x00", 4096)
		}
		require.Equal(t, n%2 == 1, f.Has("pc.bios", at))
		page[0] = 'x'
		require.NoError(t, f.ReadPage("pc.bios", at, page))
		require.Equal(t, want, string(page), "page %d", n)
	}
	require.NoError(t, f.ReadPage("/rom@etc/acpi/rsdp", 0, page))
	require.Equal(t, "RSD PTR ", string(page[:8]))
}

// TestEachWayOfSavingHasTheSamePages: with the capability mapped-ram, and without.
func TestEachWayOfSavingHasTheSamePages(t *testing.T) {
	for _, name := range []string{"10.0-mapped-ram", "11.1", "11.1-mapped-ram", "10.0-sparc64", "10.0-ignore-shared"} {
		t.Run(name, func(t *testing.T) {
			b := recorded(t, name)
			f, err := openFile(b)
			require.NoError(t, err)
			pages := map[string]map[uint64][]byte{}
			_, err = readFile(b, stream.Options{Page: func(p stream.Page) error {
				if pages[p.Block.Name] == nil {
					pages[p.Block.Name] = map[uint64][]byte{}
				}
				page := make([]byte, f.PageSize())
				pages[p.Block.Name][p.Address] = page
				return p.Onto(page)
			}})
			require.NoError(t, err)
			page, zero := make([]byte, f.PageSize()), make([]byte, f.PageSize())
			sent := int64(0)
			for _, block := range f.RAM.Blocks {
				has := int64(0)
				for at := uint64(0); at < block.Length; at += uint64(f.PageSize()) {
					if f.Has(block.Name, at) {
						has++
					}
					if block.Sent == 0 {
						require.ErrorContains(t, f.ReadPage(block.Name, at, page), "was not sent")
						continue
					}
					require.NoError(t, f.ReadPage(block.Name, at, page))
					if f.Has(block.Name, at) {
						require.Equal(t, pages[block.Name][at], page)
					} else {
						require.Equal(t, zero, page)
					}
				}
				require.Equal(t, block.Normal, has, block.Name)
				sent += block.Sent
			}
			require.Positive(t, sent)
		})
	}
}

func TestTheLastOfAPageIsWhatIsRead(t *testing.T) {
	first, last := strings.Repeat("first...", 512), strings.Repeat("the last", 512)
	b := build()
	b.ram(4, nothing, func() {
		b.page(0, 0x08).raw(first)
		b.page(1, 0x22).u8(0xaa)
		b.page(2, 0x28).raw(last)
		b.page(0, 0x28).raw(last)
		b.page(2, 0x120).u32(uint32(len(compressed([]byte(first))))).raw(compressed([]byte(first)))
	})
	f, err := openFile(b.end(noDevices))
	require.NoError(t, err)
	page := make([]byte, 4096)
	for at, want := range map[uint64]string{0: last, 4096: strings.Repeat("\xaa", 4096), 8192: first} {
		require.NoError(t, f.ReadPage("pc.ram", at, page))
		require.Equal(t, want, string(page))
	}
	require.False(t, f.Has("pc.ram", 4096))
	require.ErrorContains(t, f.ReadPage("pc.ram", 12288, page), "the page at 0x3000 of block pc.ram was not sent")
}

func TestPagesThatNoFileCanHaveAreErrors(t *testing.T) {
	f, err := openFile(recorded(t, "11.1-mapped-ram"))
	require.NoError(t, err)
	page := make([]byte, 4096)
	require.ErrorContains(t, f.ReadPage("pc.ram", 1<<20, page), "no page of block pc.ram, which has 0x100000 bytes, begins at 0x100000")
	require.ErrorContains(t, f.ReadPage("pc.ram", 4095, page), "begins at 0xfff")
	require.ErrorContains(t, f.ReadPage("pc.rum", 0, page), `no block of RAM named "pc.rum"`)
	require.ErrorContains(t, f.ReadPage("pc.ram", 0, page[1:]), "has 4096 bytes, not 4095")
	for _, block := range []string{"pc.ram", "pc.rum"} {
		require.False(t, f.Has(block, 4095))
		require.False(t, f.Has(block, 1<<20))
	}
	_, err = openFile(xbzrleFirst())
	require.ErrorContains(t, err, "XBZRLE")
	_, err = openFile(tiny()[:100])
	require.ErrorContains(t, err, "truncated")
}

func ExampleOpenFile() {
	file, err := os.Open("guest.mig")
	if err != nil {
		return // there is none
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return
	}
	saved, err := stream.OpenFile(file, info.Size(), stream.Options{})
	if err != nil {
		return
	}
	page := make([]byte, saved.PageSize())
	for _, block := range saved.RAM.Blocks {
		for at := uint64(0); at < block.Length; at += uint64(len(page)) {
			if err := saved.ReadPage(block.Name, at, page); err != nil {
				return
			}
		}
	}
}
